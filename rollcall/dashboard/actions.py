"""What may be done from the browser, where it is switched on: acknowledge, and silence.

The dashboard's own identity at the broker may only look: what is done here is asked of the alert
service as an administrator, whose credentials stand in `[dashboard]`.
"""

import json
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rollcall.broker.asking import NoAnswerError, ask
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics
from rollcall.service.settings import Broker, Settings

_WITHIN_S: Final = 10.0
_MOST_BYTES: Final = 4096
_YEAR_S: Final = 366 * 86_400
_BY: Final = "the dashboard"
_Text = Annotated[str, Field(max_length=200)]


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


_ACTION: Final = TypeAdapter[_Acknowledge | _Silence](
    Annotated[_Acknowledge | _Silence, Field(discriminator="action")]
)


class Actions:
    """Carries out what our pages ask for; `broker` is the administrator's way to the broker."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topics = topics

    async def carry_out(self, request: Request) -> Response:
        """Ask the alert service, and give its answer."""
        body = await request.body()
        try:
            wanted = _ACTION.validate_json(body[:_MOST_BYTES])
        except ValidationError as error:
            return JSONResponse({"error": _told(error)}, status_code=400)
        try:
            reply = await run_in_threadpool(
                ask,
                self._broker,
                self._topics,
                "alerts",
                wanted.action,
                wanted.keys(),
                within_s=_WITHIN_S,
            )
        except (BrokerError, NoAnswerError) as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        if not reply.ok:
            return JSONResponse({"error": reply.error or "refused"}, status_code=409)
        return Response(json.dumps({"result": reply.result}), media_type="application/json")


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
