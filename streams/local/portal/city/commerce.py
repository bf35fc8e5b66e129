"""The columns of commercial motor vehicles: filled for one unit in a hundred, null for the rest."""

import numpy as np
import polars as pl

from streams.local.portal.city.draws import Codes, Flags, Table, chance, kept, texts

_UNKNOWN = {"UNK": 30, "UNKNOWN": 20, "N/A": 3, "NONE": 3, "DNA": 3}
_FLAG_U = {"N": 86, "U": 13, "Y": 0.2}
_CARRIERS = {
    "CHICAGO TRANSIT AUTHORITY": 45, "CTA": 24, "UNKNOWN": 16, "JB HUNT": 12, "CITY OF CHICAGO": 11, "UNK": 7,
    "JB HUNT TRANSPORT INC": 6, "PACE": 6, "FEDEX": 5, "PACE SUBURBAN BUS DIVISION": 4, "PENSKE TRUCK LEASING": 4,
    "UPS": 4, "RYDER TRUCK RENTAL": 4, "PENSKE": 4, "UHAUL": 3, "AMAZON": 3, "U-HAUL": 3, "AM BUS COMPANY": 3,
    **{f"{name} {what}": 4 for name in ("LAKESHORE", "PRAIRIE", "CALUMET", "ARCHER", "MIDWAY ", "Tri State",
    "WINDY CITY")
       for what in ("TRUCKING", "TRANSPORT INC", "Logistics", "EXPRESS LLC", "CARTAGE", "HAULING ")},
}  # fmt: skip
_LENGTHS = {"53": 60, "48": 8, "40": 8, "30": 5, "20": 4, "50": 4, "52": 3, "45": 3, "28": 3, "26": 2, "96": 1}

# column: share of the commercial vehicles that have it, and its values
COMMERCIAL: dict[str, tuple[float, Table]] = {
    "commercial_src": (0.69, Table({"SIDE OF TRUCK": 42, "DRIVER": 37, "PAPERS": 14, "LOG BOOK": 7})),
    "gvwr": (0.575, Table({"3": 24, "80000": 12, "2": 10.5, "1": 7.7, "26000": 2.1, "73280": 1.2, "8000": 1.1,
                           "80,000": 1, "16000": 0.9, "UNK": 0.6, "54999": 0.6, "33000": 0.5, "0000": 0.2})),
    "carrier_name": (0.957, Table(_CARRIERS)),
    "carrier_state": (0.90, Table({"IL": 66, "IN": 9, "WI": 3.6, "TX": 2, "MI": 2, "OH": 1.8, "PA": 1.7, "IA": 1.6,
                                   "FL": 1.4, "AZ": 1.4, "MN": 1.3, "TN": 1.2, "MO": 1.1, "XX": 1.1})),
    "carrier_city": (0.887, Table({"CHICAGO": 60, "GARY": 3, "INDIANAPOLIS": 3, "ARLINGTON HEIGHTS": 2.5, "LOWELL": 2,
                                   "SKOKIE": 2, "DES PLAINES": 2, "CICERO": 2, "PHOENIX": 2, "ADDISON": 1.5,
                                   "JOLIET": 1.5, "chicago ": 3})),
    "hazmat_placards_i": (0.02, Table({"N": 65, "Y": 35})),
    "hazmat_name": (0.004, Table({"GASOLINE": 5, "FLAMMABLE LIQUID": 3, "CORROSIVE": 3, "PROPANE": 3})),
    "un_no": (0.036, Table({"UNK": 40, "1203": 26, "1993": 7, "1075": 5, "DNA": 4, "0000": 3})),
    "hazmat_present_i": (0.74, Table({"N": 93, "U": 6.8, "Y": 0.16})),
    "hazmat_report_i": (0.716, Table(_FLAG_U)),
    "hazmat_report_no": (0.0001, Table({"JE100000": 1})),
    "mcs_report_i": (0.72, Table({"N": 80, "U": 20, "Y": 0.1})),
    "mcs_report_no": (0.0005, Table({"UNKNOWN": 1, "8253": 1})),
    "hazmat_vio_cause_crash_i": (0.73, Table({"N": 91.5, "U": 8.4, "Y": 0.1})),
    "mcs_vio_cause_crash_i": (0.714, Table({"N": 83, "U": 16.7, "Y": 0.16})),
    "wide_load_i": (0.009, Table({"Y": 64, "N": 36})),
    "trailer1_width": (0.19, Table({"0-96": 62, "97-102": 23, ">102": 15})),
    "trailer2_width": (0.022, Table({"0-96": 58, ">102": 22, "97-102": 20})),
    "trailer1_length": (0.156, Table(_LENGTHS)),
    "trailer2_length": (0.004, Table(_LENGTHS)),
    "total_vehicle_length": (0.19, Table({"65": 24, "53": 23, "40": 18, "75": 18, "60": 14, "70": 11, "63": 11,
                                          "30": 10, "20": 9, "25": 8, "72": 4})),
    "axle_cnt": (0.277, Table({"5": 1147, "2": 1128, "3": 810, "6": 241, "4": 183, "1": 48, "8": 23, "7": 13,
                               "18": 9, "16": 4, "26009": 1, "99": 1})),
    "vehicle_config": (0.83, Table({"TRACTOR/SEMI-TRAILER": 39, "SINGLE UNIT TRUCK, 2 AXLES, 6 TIRES": 20, "BUS": 15.5,
                                    "TRUCK/TRACTOR": 8, "TRUCK/TRAILER": 7, "UNKNOWN HEAVY TRUCK": 6,
                                    "SINGLE UNIT TRUCK, 3 OR MORE AXLES": 4.5, "TRACTOR/DOUBLES": 0.3})),
    "cargo_body_type": (0.797, Table({"VAN/ENCLOSED BOX": 44, "OTHER": 22, "BUS": 16, "FLATBED": 8, "DUMP": 3.6,
                                      "GARBAGE/REFUSE": 3, "TANK": 2, "CONCRETE MIXER": 1, "AUTO TRANSPORTER": 1})),
    "load_type": (0.76, Table({"OTHER": 55, "UNKNOWN": 39, "CONSTRUCTION EQUIPMENT": 3.5, "BUILDING MATERIALS": 2,
                               "STEEL COILS": 0.4, "FARM EQUIPMENT": 0.2})),
    "hazmat_out_of_service_i": (0.694, Table({"N": 99.9, "Y": 0.1})),
    "mcs_out_of_service_i": (0.713, Table({"N": 99.6, "Y": 0.4})),
    "hazmat_class": (0.068, Table({"MISCELLANEOUS": 87, "FLAMMABLE OR COMBUSTIBLE LIQUID": 6, "GASES": 2.5,
                                   "EXPLOSIVES": 2, "CORROSIVE": 1.4})),
}  # fmt: skip
# Free numbers, now and then a word for not knowing: share of the vehicles, greatest number.
_NUMBERS = {"usdot_no": (0.58, 3_500_000), "ccmc_no": (0.126, 900_000), "ilcc_no": (0.09, 300_000),
            "idot_permit_no": (0.059, 900_000)}  # fmt: skip


def commercial(rng: np.random.Generator, present: Flags, ids: Codes) -> list[pl.Series]:
    """All commercial columns: filled where `present`, with `ids` as the cmv_id."""
    n = int(present.sum())
    at = np.full(len(present), n, dtype=np.uint32)  # null, appended last
    at[present] = np.arange(n)

    def spread(values: pl.Series, name: str) -> pl.Series:
        return pl.concat([values, pl.Series([None], dtype=pl.String)]).gather(at).alias(name)

    columns = [spread(texts(ids[present]), "cmv_id")]
    columns += [spread(values.some(rng, chance(rng, share, n)), name) for name, (share, values) in COMMERCIAL.items()]
    for name, (share, greatest) in _NUMBERS.items():
        number = texts(rng.integers(1, greatest, n))
        word = Table(_UNKNOWN).some(rng, chance(rng, 0.12, n))
        text = word.fill_null(number)
        columns.append(spread(kept(chance(rng, share, n), text), name))
    return columns
