"""Operations for migrations of all apps."""

from automate_governance.migrations.operations.create_models import CreateModels

__all__ = ["CreateModels"]
