"""Which of a month's versions and deltas may go."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise


def expired_versions(written: Mapping[int, datetime], content: int, cutoff: datetime) -> list[int]:
    """The versions of a month that nobody needs any more.

    `written` is when each was written, `content` the last at which content changed. The newest stays for ever: were
    its number free, it would be given again. So does `content`, which is announced to Gold. Of the others all stay
    that were the month's state at some time since `cutoff`: each but those that had a successor by then.
    """
    return [
        number for number, successor in pairwise(sorted(written)) if number != content and written[successor] <= cutoff
    ]


def expired_deltas(written: Mapping[str, datetime], needed: str, cutoff: datetime) -> list[str]:
    """The keys of a month's deltas that were written up to `cutoff`, but for `needed`, which the head names.

    Gold does without the others: where it has missed one, it takes the whole month.
    """
    return [key for key, at in sorted(written.items()) if key != needed and at <= cutoff]
