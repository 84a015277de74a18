"""Workflows as files, each for more than one file of tests."""

from __future__ import annotations

BRANCHING = """
name: Branching
slug: branching
description: Sends <b>things</b> along
triggers: [{endpoint: github}]
steps:
  - {key: first, name: First things, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - kind: branch
    key: route
    arms:
      - key: yes_please
        name: Yes
        when: {'==': [{var: steps.first.output.title}, go]}
        steps: [{key: inner, action: data.log, inputs: {message: 'Going {{ steps.first.output.title }}'}}]
    otherwise: [{kind: stop, key: refuse, outcome: failed, message: Not today}]
"""


EVERY_KIND = """
name: Every kind
slug: every-kind
priority: 5
concurrency: {limit: 2, key: '{{ event.payload.customer }}', policy: skip}
vars: {limit: 100}
triggers:
  - {kind: webhook, key: hook, endpoint: github}
  - {kind: schedule, key: morning, cron: '30 8 * * 1-5', timezone: Europe/Warsaw, missed: all}
  - {kind: schedule, key: often, every: 15m}
  - {kind: manual, key: hand, inputs: [{name: amount, kind: number, required: true}]}
  - {kind: event, key: paid, event: order.paid, filter: {'>': [{var: event.payload.total}, 100]}}
  - {kind: run, key: after, workflow: other, 'on': failed}
steps:
  - {key: first, action: data.set, save_as: kept, on_error: {value: {a: 1}}, at_most_once: true, disabled: true}
  - {key: second, action: data.set, on_error: {steps: [{key: instead, action: data.set}]}}
  - kind: branch
    key: route
    match: all
    arms: [{key: one, when: true, steps: [{key: in_one, action: data.set}]}, {key: two, when: false}]
    otherwise: [{key: in_neither, action: data.set}]
  - {kind: parallel, key: both, limit: 2, arms: [{key: left, steps: [{key: in_left, action: data.set}]}, {key: right}]}
  - kind: for_each
    key: each
    items: '{{ event.payload.items }}'
    concurrency: 10
    on_item_error: collect
    steps: [{key: in_each, action: data.set, inputs: {n: '{{ item }}'}}]
  - {kind: repeat, key: again, until: true, maximum: 3, steps: [{key: in_again, action: data.set}]}
  - {kind: wait, key: pause, duration: 2h 30m}
  - {kind: wait, key: answer, callback: true, timeout: 1d, on_timeout: [{key: late, action: data.set}]}
  - kind: approval
    key: ok
    assignees: [anna]
    groups: [Fraud]
    message: Look
    form: [{name: reason, kind: choice, choices: [a, b]}]
    outcomes: [{key: agreed, name: Agree, steps: [{key: ship, action: data.set}]}]
    timeout: 2d
    on_timeout: []
  - {kind: workflow, key: call, workflow: other, payload: {n: 1}, wait: false}
  - kind: try
    key: attempt
    steps: [{key: tried, action: data.set}]
    on_error: [{key: caught, action: data.set}]
    always: [{key: anyway, action: data.set}]
  - {kind: reply, key: respond, status: 202, content_type: text/plain, headers: {X-Id: '{{ event.id }}'}, body: Thanks}
  - {kind: stop, key: end, message: Done}
"""


GROUPS_ARE_WRITABLE = {"auth.Group": {"read": ["name"], "write": ["name"], "delete": True}}


STORY = """
name: Story
slug: story
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: look, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - {key: make, action: models.create, inputs: {model: auth.Group, values: {name: '{{ steps.look.output.title }}'}}}
  - key: rename
    action: models.update
    inputs:
      model: auth.Group
      where: {pk: '{{ steps.make.output.pk }}'}
      values: {name: '{{ steps.look.output.title }} 2'}
  - key: tell
    action: email.send
    inputs: {to: a@example.com, subject: 'About {{ steps.make.output.name }}', text: Hello}
  - kind: for_each
    key: each
    items: '{{ event.payload.labels }}'
    steps: [{key: note, action: data.set, inputs: {n: '{{ item }}'}}]
  - kind: branch
    key: route
    arms:
      - {key: big, when: {'>': [{var: event.payload.n}, 5]}, steps: [{key: inner, action: data.set, inputs: {a: 1}}]}
  - {kind: wait, key: later, duration: 2h}
  - {key: last, action: data.set, inputs: {sent: '{{ steps.tell.output }}'}}
"""


ASKS_THE_OWNER = """
name: Asking
slug: asking
triggers: [{endpoint: github, event: issues}]
steps:
  - kind: approval
    key: ask
    name: Refund the order
    assignees: [owner]
    timeout: 4h
    form: [{name: amount, kind: number, required: true}, {name: level, kind: choice, choices: [low, high]}]
    outcomes:
      - {key: approved, steps: [{key: pay, action: data.set, inputs: {sum: '{{ steps.ask.output.form.amount }}'}}]}
      - {key: rejected, steps: [{key: refuse, action: data.set, inputs: {by: '{{ steps.ask.output.by }}'}}]}
    on_timeout: [{key: late, action: data.set, inputs: {late: true}}]
  - {key: last, action: data.set, inputs: {came: '{{ steps.ask.output.outcome }}'}}
"""


ASKS_OWNER_AND_HELPER = """
name: Refund
slug: refund
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: ask
    name: Refund the order
    assignees: [owner, helper]
    message: "Order {{ event.payload.number }}, <b>please</b>"
    timeout: 4h
    form:
      - {name: note, label: Note, required: true, help: Why}
      - {name: amount, kind: number}
      - {name: level, kind: choice, choices: [low, high]}
      - {name: sure, kind: boolean}
      - {name: details, kind: long_text}
      - {name: until, kind: date}
    outcomes:
      - {key: approved, name: Approve}
      - {key: rejected, name: Reject}
  - {key: pay, action: data.set, inputs: {note: '{{ steps.ask.output.form.note }}'}}
"""


FAILING = """
name: Failing
slug: failing
triggers: [{endpoint: github}]
steps:
  - {key: first, action: data.set}
  - {kind: stop, key: refuse, outcome: failed, message: Not today}
"""


LONG_NAMES = """
name: A workflow with a rather long name that has to fit
slug: long
description: And a description that goes on for a while, so that it is cut with an ellipsis where there is no room
tags: [one, two]
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: first, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - kind: branch
    key: route
    arms:
      - {key: a, when: {'==': [{var: event.payload.title}, a]}, steps: [{key: sa, action: data.set}]}
      - {key: b, when: {'==': [{var: event.payload.title}, b]}, steps: [{key: sb, action: data.set}]}
      - {key: c, when: {'==': [{var: event.payload.title}, c]}, steps: [{key: sc, action: data.set}]}
    otherwise: [{kind: stop, key: no, outcome: failed, message: 'Nothing fits {{ event.payload.title }}'}]
"""


SEARCHED_ORDERS = """
name: Orders
slug: orders
search_terms: {order_no: event.payload.order.no, city: '{{ event.payload.city | upper }}'}
triggers:
  - endpoint: github
steps:
  - {key: check, action: data.set, inputs: {number: '{{ event.payload.order.no + 0 }}'}}
"""


STARTED_BY_HAND = (
    "name: Leads to sales\nslug: leads\ntriggers: [{kind: manual, key: manual}]\nsteps: [{key: a, action: data.set}]\n"
)


WITHOUT_TRIGGERS = """
name: New orders
slug: new-orders
timezone: Europe/Berlin
triggers: []
steps: [{key: done, kind: stop}]
"""


GUESSED_SUBJECT = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps: [{key: keep, action: data.set, inputs: {n: '{{ event.payload.number }}'}}]
"""


DECLARED_SUBJECT = (
    f"{GUESSED_SUBJECT}subject: '{{{{ event.payload.customer }}}} ({{{{ vars.shop }}}})'\nvars: {{shop: Bonn}}\n"
)


CLASSIFIES = """
name: Triage
slug: triage
triggers: [{endpoint: github}]
steps:
  - key: kind
    action: llm.classify
    connection: model
    inputs: {model: small, text: '{{ event.payload.text }}', labels: [bug, question], max_tokens: 100}
    retry: {attempts: 2, base: 1}
"""


TRIAGE = """
name: Triage
slug: triage
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: look, name: Look, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - kind: branch
    key: route
    name: Route
    arms:
      - key: bug
        name: Bug
        when: {'==': [{var: steps.look.output.title}, bug]}
        steps:
          - {key: tell, name: Tell, action: data.log, inputs: {message: '{{ steps.look.output.title }}'}}
          - kind: for_each
            key: each
            items: '{{ event.payload.labels }}'
            steps: [{key: note, action: data.set, inputs: {n: '{{ item }}', of: '{{ steps.tell.output.message }}'}}]
      - {key: question, name: Question, when: {'==': [{var: steps.look.output.title}, question]}}
    otherwise: [{kind: stop, key: refuse, outcome: failed, message: No}]
  - kind: try
    key: careful
    name: Careful
    steps: [{key: risky, action: data.set}]
    on_error: [{key: caught, action: data.log, inputs: {message: '{{ error.message }}'}}]
  - kind: parallel
    key: both
    name: Both
    arms: [{key: left, steps: [{key: in_left, action: data.set}]}, {key: right}]
  - {key: last, name: Last, action: data.set, inputs: {found: '{{ steps.look.output.title }}'}}
"""
