"""The contracts of executors: how messages are sent and consumed, and what becomes of the steps behind them."""
