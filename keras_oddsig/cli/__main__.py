"""`python -m keras_oddsig.cli`, an older way to say `python -m keras_oddsig`."""

import sys

from keras_oddsig.cli import main

if __name__ == "__main__":
    sys.exit(main())
