"""The report on the signal, under the import path of version 0.1: see `keras_oddsig.signal`."""

from keras_oddsig.signal import LayerSignal, SignalReport, signal_report

__all__ = ["LayerSignal", "SignalReport", "signal_report"]
