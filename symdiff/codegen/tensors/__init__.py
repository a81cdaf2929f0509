"""Native code for plans: loop nests on vectors, recurrences, calls of BLAS and LAPACK."""
