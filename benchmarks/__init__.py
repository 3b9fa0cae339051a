"""Time and memory of lamella beside other programs, on the same files in one run.

``python -m benchmarks --help`` says how; ``README.md`` says what is measured.
"""
