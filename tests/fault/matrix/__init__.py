"""Scenarios in which everything goes wrong that can, each drawn from a seed and the same whenever it is run.

A scenario is the service in one process: the real agents, domain, Silver and Gold over a real portal server and a real
S3 store, with a broker of lists in between. Activities run one at a time, from one call of a part to the next, in an
order that the seed decides; so do deaths, rebalances, failures of parts, and what the city does meanwhile.
"""
