"""What may be done from the browser, where it is switched on: acknowledge, silence, ask a node.

The dashboard's own identity at the broker may only look: what is done here is asked of the alert
service, or of a node, as an administrator, whose credentials stand in `[dashboard]`.
"""

import json
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rollcall.broker.asking import NoAnswerError, ask
from rollcall.broker.messages import Reply
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Kind, Topics, is_node_name
from rollcall.dashboard import processes
from rollcall.dashboard.processes import NoListError
from rollcall.service.settings import Broker, Settings

_WITHIN_S: Final = 10.0
_MOST_BYTES: Final = 4096
_YEAR_S: Final = 366 * 86_400
_BY: Final = "the dashboard"
_Text = Annotated[str, Field(max_length=200)]


def _node_name(text: str) -> str:
    if not is_node_name(text):
        raise ValueError("no name of a node")
    return text


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Acknowledge(_Action):
    action: Literal["ack"]
    incident: _Text
    message: _Text = ""

    def keys(self) -> dict[str, JsonValue]:
        return {"incident": self.incident, "by": _BY, "message": self.message}


class _Silence(_Action):
    action: Literal["silence"]
    node: _Text
    rule: _Text = "*"
    for_s: Annotated[float, Field(alias="for", gt=0, le=_YEAR_S)]

    def keys(self) -> dict[str, JsonValue]:
        return {"nodes": [self.node], "rule": self.rule, "for": self.for_s, "comment": _BY}


class _Processes(_Action):
    action: Literal["processes"]
    node: Annotated[str, AfterValidator(_node_name)]
    by: Literal["cpu", "memory"] = "cpu"

    def keys(self) -> dict[str, JsonValue]:
        return {"by": self.by, "top": processes.MOST}


_Known = _Acknowledge | _Silence | _Processes
_ACTION: Final = TypeAdapter[_Known](Annotated[_Known, Field(discriminator="action")])


class Actions:
    """Carries out what our pages ask for; `broker` is the administrator's way to the broker."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topics = topics

    async def carry_out(self, request: Request) -> Response:
        """Ask the alert service or the node, and give the answer."""
        body = await request.body()
        try:
            wanted = _ACTION.validate_json(body[:_MOST_BYTES])
        except ValidationError as error:
            return JSONResponse({"error": _told(error)}, status_code=400)
        try:
            reply = await run_in_threadpool(self._ask, wanted)
        except (BrokerError, NoAnswerError) as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        if not reply.ok:
            return JSONResponse({"error": reply.error or "refused"}, status_code=409)
        try:
            result = processes.listed(reply.result) if _is_of_node(wanted) else reply.result
        except NoListError as error:
            return JSONResponse({"error": str(error)}, status_code=409)
        return Response(json.dumps({"result": result}), media_type="application/json")

    def _ask(self, wanted: _Known) -> Reply:
        of_node = _is_of_node(wanted)
        return ask(
            self._broker,
            self._topics,
            wanted.node if isinstance(wanted, _Processes) else "alerts",
            wanted.action,
            wanted.keys(),
            within_s=_WITHIN_S,
            answering=Kind.NODE_REPLY if of_node else Kind.SERVICE_REPLY,
        )


def _is_of_node(wanted: _Known) -> bool:
    return isinstance(wanted, _Processes)


def actions_of(settings: Settings) -> Actions | None:
    """Give what may be done, where it is switched on."""
    dashboard = settings.dashboard
    if not dashboard.actions:
        return None
    credentials = {
        "certificate_file": dashboard.admin_certificate_file,
        "key_file": dashboard.admin_key_file,
        "username": dashboard.admin_username,
        "password_file": dashboard.admin_password_file,
    }
    given = {name: value for name, value in credentials.items() if value is not None}
    return Actions(settings.broker.model_copy(update=given), Topics(settings.broker.prefix))


def _told(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
