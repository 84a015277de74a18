"""Words about steps and triggers: their descriptions everywhere, and the words that other products have for them."""

from __future__ import annotations

from automate_plugins import text

#: What each kind of step does, in the order of the palette.
KIND_DESCRIPTIONS = {
    "branch": text("Run the routes whose conditions are true"),
    "parallel": text("Run branches in parallel"),
    "for_each": text("Run steps for each item in a list"),
    "repeat": text("Repeat steps until a condition is true"),
    "try": text("Continue when a step fails"),
    "wait": text("Wait for a duration, a date, a callback or a form page"),
    "workflow": text("Run another workflow and wait until it ends"),
    "stop": text("End the run early"),
    "reply": text("Answer the caller that waits for the run"),
    "approval": text("Ask people for a decision"),
}
#: What each kind of trigger starts on.
TRIGGER_DESCRIPTIONS = {
    "form": text("Start on an answer to a hosted form"),
    "mail": text("Start on an email"),
    "webhook": text("Start on a request to a URL"),
    "schedule": text("Start at a time"),
    "manual": text("Start by a person, with inputs"),
    "model": text("Start on a change of the site's data"),
    "event": text("Start on an event from code"),
    "run": text("Start at the end of another workflow"),
}
#: Connectors that come with the engine, before those of other systems.
BUILT_IN = frozenset({"data", "email", "http", "llm", "models", "sql"})
#: Further words by the key of an entry: those of other products, and of everyday speech. They count as its name.
KEYWORDS: dict[str, tuple[str, ...]] = {
    "branch": ("if", "condition", "else", "switch", "case", "filter", "router", "decide", "only when", "check whether"),
    "parallel": ("simultaneous", "same time", "fork", "concurrent"),
    "for_each": ("loop", "iterate", "each", "every item", "batch", "split in batches", "foreach", "one by one"),
    "repeat": ("while", "until", "loop", "poll"),
    "try": ("catch", "error", "exception", "failure", "handler", "ignore errors"),
    "wait": (
        "delay",
        "sleep",
        "pause",
        "timer",
        "later",
        "hours",
        "days",
        "minutes",
        "callback",
        "snooze",
        "answer",
        "response",
    ),
    "workflow": ("sub-workflow", "subworkflow", "subflow", "call another workflow", "child workflow", "reuse"),
    "stop": ("exit", "abort", "end", "terminate", "fail", "finish"),
    "reply": ("respond", "response", "return", "answer", "webhook response"),
    "approval": ("approve", "human", "confirm", "manager", "review", "sign off", "person decides", "ask", "permission"),
    "trigger:form": ("survey", "questionnaire", "submission"),
    "trigger:mail": ("incoming email", "inbox", "receive mail", "arrives"),
    "trigger:webhook": ("incoming", "receive", "callback", "http endpoint", "listen", "arrives", "comes in"),
    "trigger:schedule": (
        "cron",
        "every day",
        "every hour",
        "daily",
        "weekly",
        "monthly",
        "morning",
        "recurring",
        "timer",
    ),
    "trigger:manual": ("button", "by hand", "click"),
    "trigger:model": ("record created", "row saved", "django signal", "database change"),
    "trigger:event": ("signal", "emit", "django code"),
    "trigger:run": ("after another workflow", "workflow failed"),
    "email.send": ("mail", "e-mail", "smtp", "notify", "notification", "alert", "message"),
    "http.request": (
        "rest",
        "api",
        "curl",
        "fetch",
        "url",
        "get",
        "post",
        "call",
        "webhook",
        "graphql",
        "download",
        "server",
        "send",
    ),
    "data.set": (
        "variable",
        "assign",
        "formula",
        "compute",
        "calculate",
        "calculator",
        "math",
        "expression",
        "code",
        "edit",
    ),
    "data.filter": ("keep", "only", "where", "rows"),
    "data.sort": ("order by",),
    "data.aggregate": ("sum", "total", "average", "count", "group"),
    "data.dedupe": ("duplicates", "unique", "distinct"),
    "data.merge_lists": ("join", "lookup", "vlookup", "combine", "match up"),
    "data.parse_csv": ("read csv",),
    "data.log": ("debug", "print", "trace"),
    "data.add_to_date": ("date math", "tomorrow", "days from now"),
    "data.format_date": ("date format", "timestamp"),
    "models.find": ("django model", "query", "orm", "records", "database", "read table", "lookup"),
    "models.create": ("django model", "insert", "record", "database", "save", "write", "add row"),
    "models.update": ("django model", "record", "database", "save", "write", "change", "set status"),
    "models.delete": ("django model", "record", "database", "remove"),
    "sql.query": ("select", "postgres", "postgresql", "database"),
    "sql.execute": ("insert", "update", "postgres", "postgresql", "database"),
    "llm.chat": (
        "ai",
        "agent",
        "gpt",
        "chatgpt",
        "openai",
        "claude",
        "prompt",
        "ask",
        "write text",
        "translate",
        "draft",
    ),
    "llm.extract": ("ai", "structured", "parse text", "invoice data", "fields"),
    "llm.classify": ("ai", "categorise", "categorize", "sentiment", "label", "spam", "route ticket"),
    "llm.summarise": ("ai", "summarize", "summary", "shorten", "tldr"),
    "twilio.send_sms": ("text message", "sms", "phone"),
    "google_sheets.append_row": ("spreadsheet", "create row", "add row", "log to sheet"),
    "microsoft_excel.add_row": ("spreadsheet", "create row", "workbook"),
    "slack.upload_file": ("file to a channel", "attachment"),
    "slack.post_message": ("notify", "notification", "alert", "chat", "channel", "team"),
    "s3.put_object": ("upload", "store file", "bucket", "aws", "minio"),
    "sftp.upload": ("ftp", "server"),
    "sftp.download": ("ftp", "server"),
    "rss.read_feed": ("news", "blog", "atom"),
}
#: Everyday words by the key of an entry, separated by commas. A translation has the words of its language instead; it
#: may have more of them, or fewer. They count as the name, too, beside the English ones.
EVERYDAY_WORDS: dict[str, str] = {
    "branch": text("if, otherwise, in case, decision, condition, check, compare, split the path"),
    "parallel": text("at the same time, side by side"),
    "for_each": text("loop, for each, one after the other, go through a list"),
    "repeat": text("loop, again and again, as long as, repetition, once more"),
    "wait": text("wait, reminder, remind, deadline, later, tomorrow"),
    "stop": text("stop, cancel, abort, quit"),
    "approval": text(
        "ask my boss, ask the manager, let someone decide, permission, sign, query, accept, reject, have checked"
    ),
    "reply": text("answer the caller, send back"),
    "try": text("error, go wrong, ignore errors"),
    "trigger:schedule": text("reminder, every day, every week, every Monday, on weekdays, on time, regularly"),
    "trigger:form": text("questionnaire, application, fill in"),
    "trigger:webhook": text("arrives, comes in, receive"),
    "trigger:mail": text("mailbox, mail comes in, mail arrives"),
    "data.aggregate": text("sum, add up, total, calculate, evaluate, count, subtotal, group"),
    "data.set": text("calculate, compute, convert, set a value, formula, round a number"),
    "data.filter": text("select, keep only, sort out, filter rows"),
    "data.parse_csv": text("table, list from a text"),
    "data.read_csv_file": text("table, read a table, spreadsheet, import"),
    "data.read_excel": text("table, read a table, spreadsheet, import"),
    "data.write_excel": text("table, write a table, spreadsheet, export"),
    "models.create": text("create a customer, register a customer, new record"),
    "models.find": text("find customers, find records, look up"),
    "models.delete": text("delete a record"),
    "llm.chat": text("translate, write a text, answer a question"),
    "llm.summarise": text("summarise, sum up a text, shorten"),
    "email.send": text(
        "mail, mail to the customer, send, notify, notification, alert, inform, write to someone, reminder, remind"
    ),
}
_STOP_WORDS = """
a an and are as at be by can do for from have how i in into is it its let me my need of on or our per please so some
that the their them then this to us want we what when which will with you your someone something new using via
der die das den dem des ein eine einen einem einer und oder von zu zum zur im am auf ich mir mich wir uns soll bitte pro
"""
#: Where one sentence asks for several things, one after the other.
BETWEEN_WISHES = ("and then", "then", "afterwards", "after that", "und dann", "dann", "danach", "anschlie\u00dfend")
#: How a part of a sentence begins that asks for a trigger.
OF_TRIGGERS = ("when ", "whenever ", "as soon as ", "every time ", "sobald ", "immer wenn ", "jedes mal wenn ")
STOP_WORDS = frozenset(_STOP_WORDS.split())
