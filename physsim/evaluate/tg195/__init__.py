"""AAPM Report 195, the Monte Carlo reference data sets: its cases as problems, their results, and the comparison.

Reference: I. Sechopoulos et al., "Monte Carlo reference data sets for imaging research: Executive summary of the report
of AAPM Research Committee Task Group 195", Med. Phys. 42 (2015) 5679, doi:10.1118/1.4928676.
"""
