"""Operations on runs: cancel, re-run, replay, limit, wait."""
