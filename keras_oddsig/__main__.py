"""`python -m keras_oddsig`: the command `keras-oddsig`, where it is not on the path."""

import sys

from keras_oddsig.cli import main

if __name__ == "__main__":
    sys.exit(main())
