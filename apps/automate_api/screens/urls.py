"""URLs of the screens. Include them before the admin's own URLs, beside the studio's:

path("admin/automate/", include("automate_api.screens.urls"))
"""

from __future__ import annotations

from automate_api.screens.accounts import account_active, account_list, account_new, account_page
from automate_api.screens.reference import reference
from automate_api.screens.tokens import all_tokens, token_list, token_new, token_revoke, token_rotate, token_workflows
from automate_ui.navigation.admin_pages import staff

app_name = "api_screens"
urlpatterns = [
    staff("api-reference/", reference, "reference"),
    staff("api-tokens/", token_list, "token_list"),
    staff("api-tokens/all/", all_tokens, "all_tokens"),
    staff("api-tokens/new/", token_new, "token_new"),
    staff("api-tokens/workflows/", token_workflows, "token_workflows"),
    staff("api-tokens/<int:pk>/rotate/", token_rotate, "token_rotate"),
    staff("api-tokens/<int:pk>/revoke/", token_revoke, "token_revoke"),
    staff("service-accounts/", account_list, "account_list"),
    staff("service-accounts/new/", account_new, "account_new"),
    staff("service-accounts/<str:pk>/", account_page, "account"),
    staff("service-accounts/<str:pk>/active/", account_active, "account_active"),
]
