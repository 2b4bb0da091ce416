"""Pacing: how many calls to begin now, so that agents talk and no answered customer is left alone.

Pure decisions; moments are seconds of a clock that never jumps, handed in. `floor` what is going on, `lengths` how
long things last, `risk` the chance that a call meets nobody free, `governor` what keeps abandoned calls within their
cap, `pacers` the rules a campaign can run by, `reserve` the agents kept back for the hotline.
"""
