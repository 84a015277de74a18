class _H:
    def close(self): pass
hub=_H()
