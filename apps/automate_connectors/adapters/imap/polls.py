"""The poll for new messages: by UIDs, which rise and are never used twice while UIDVALIDITY stays (RFC 3501, 2.3.1).

When a server renumbers a folder, messages are found by their time once, and those that were seen before are known by
their message id.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from automate_connectors.adapters.imap.mailbox import MAX_MESSAGE_BYTES, Envelope, FolderState, Mailbox
from automate_connectors.adapters.polls import PollFile, PollItem, PollResult
from automate_connectors.mail.message import Message

MAX_ON_A_PAGE = 50
_BASELINE = 10  #: of the newest messages, which the builder shows
_LOOK_BACK = 500  #: UIDs among which they are looked for
_PAGE_BYTES = 3_000_000
_READ_BYTES = 20_000_000  #: of messages, after which no further ones are read: a connection has a limit
_ITEM_BYTES = 1_000_000
_OVERLAP = dt.timedelta(days=1)  #: RFC 3501 searches by whole days


def find_new_messages(mailbox: Mailbox, params: dict[str, Any], cursor: Any) -> PollResult:
    """One page of the messages after the cursor.

    The cursor holds the `validity`, the last `uid`, the `day` of the newest message, and after a folder was renumbered
    the day `since` which messages are looked for again, until all of these were found.
    """
    state = mailbox.select(params.get("folder") or "INBOX")
    if cursor is None:
        uids = find_uids(mailbox, params, uid=f"{max(state.next_uid - _LOOK_BACK, 1)}:*")
        read, _ = _read_page(mailbox, uids[-_BASELINE:], params, state)
        return _result(read, {"day": "", "since": ""}, state, max([state.next_uid - 1, *uids, 0]))
    if cursor["validity"] != state.validity:
        again = (dt.date.fromisoformat(cursor["day"]) - _OVERLAP).isoformat() if cursor["day"] else ""
        cursor = {**cursor, "uid": 0, "since": again}
    since = dt.date.fromisoformat(cursor["since"]) if cursor["since"] else None
    found = find_uids(mailbox, params, uid=f"{cursor['uid'] + 1}:*", date_gte=since, sent_date_gte=since)
    uids = [uid for uid in found if uid > cursor["uid"]]  # `*` names the last one, also if it has a lower UID
    read, last = _read_page(mailbox, uids[:MAX_ON_A_PAGE], params, state)
    if last is None and len(uids) > MAX_ON_A_PAGE:
        last = uids[MAX_ON_A_PAGE - 1]
    if last is not None:
        return _result(read, cursor, state, last, more=True)
    return _result(read, {**cursor, "since": ""}, state, max([cursor["uid"], state.next_uid - 1, *uids]))


type Read = list[tuple[Envelope, PollItem]]


def _result(read: Read, cursor: dict[str, Any], state: FolderState, uid: int, *, more: bool = False) -> PollResult:
    days = [envelope.received.date().isoformat() for envelope, _ in read if envelope.received]
    after = {"validity": state.validity, "uid": uid, "day": max([cursor["day"], *days]), "since": cursor["since"]}
    return PollResult(items=[item for _, item in read], cursor=after, more=more)


def find_uids(mailbox: Mailbox, params: dict[str, Any], **more: Any) -> list[int]:
    """The UIDs of the messages that FILTERS and `more` criteria select, ascending."""
    seen = False if params.get("unseen") else None
    return mailbox.search(from_=params.get("sender"), subject=params.get("subject"), seen=seen, **more)


def _read_page(
    mailbox: Mailbox, uids: list[int], params: dict[str, Any], state: FolderState
) -> tuple[Read, int | None]:
    """(messages with their items, as many as fit into one result; the last UID, where others did not fit)."""
    read: Read = []
    size = received = 0
    for envelope, message in mailbox.read_all(mailbox.envelopes(uids)):
        item = _item(message, envelope, params.get("folder") or "INBOX", state)
        size += len(msgspec.json.encode(item.data))
        received += envelope.size if envelope.size <= MAX_MESSAGE_BYTES else 0
        if read and (size > _PAGE_BYTES or received > _READ_BYTES):
            return read, read[-1][0].uid
        read.append((envelope, item))
    return read, None


def _item(message: Message, envelope: Envelope, folder: str, state: FolderState) -> PollItem:
    data = message_data(message, envelope, folder, state)
    if len(msgspec.json.encode(data)) > _ITEM_BYTES:
        data |= {"html": "", "text": message.text[:100_000], "faults": [*message.faults, "text_cut"]}
    identifier = message.message_id or f"{state.validity}-{envelope.uid}"
    files = [
        PollFile(name=each.name, content=each.content, content_type=each.content_type) for each in message.attachments
    ]
    return PollItem(id=identifier, time=envelope.received, data=data, files={"attachments": files} if files else {})


def message_data(message: Message, envelope: Envelope, folder: str, state: FolderState) -> dict[str, Any]:
    """A message as JSON, with the names of its attachments in place of the files, and where it is found again."""
    names = [{"name": each.name, "type": each.content_type, "size": len(each.content)} for each in message.attachments]
    return message.as_data(names) | place_data(envelope, folder, state)


def place_data(envelope: Envelope, folder: str, state: FolderState) -> dict[str, Any]:
    """Where a message is found again, as JSON."""
    return {
        "uid": envelope.uid,
        "uid_validity": state.validity,
        "folder": folder,
        "flags": [each.removeprefix("\\").lower() for each in envelope.flags],
    }
