def sidebar(request): return []
