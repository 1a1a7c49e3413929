"""Bulk import: a file becomes bounded chunks of rows, and each chunk one transaction of set-based statements.

`reader` turns CSV or Parquet into chunks, `cells` checks their columns at once, one module a kind writes them, and
`engine` keeps count. A chunk and the job's cursor commit together: whoever is killed anywhere goes on after the last
whole chunk, and two importers of one file take turns.
"""
