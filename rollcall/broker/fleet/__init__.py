"""The fleet document: which nodes are meant, and which rules hold on them.

One document, kept by people, says for groups of nodes what is collected and what is an alert. It is
read as a whole: one mistake refuses it, and all mistakes are told at once. Pure: values in, values
out.
"""

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.effective import Effective
from rollcall.broker.fleet.faults import FleetError
from rollcall.broker.fleet.fleet import Fleet, built_in, read
from rollcall.broker.fleet.merge import Layer
from rollcall.broker.fleet.rule_layers import BUILT_IN, inhibited_by
from rollcall.broker.fleet.rule_values import silence_s
from rollcall.broker.fleet.rules import (
    KINDS,
    AbsenceRule,
    AnomalyRule,
    AnyRule,
    Condition,
    ForecastRule,
    JudgedRule,
    MetricRule,
    PresenceRule,
    RuleTable,
    ThresholdRule,
)

__all__ = [
    "BUILT_IN",
    "KINDS",
    "AbsenceRule",
    "AnomalyRule",
    "AnyRule",
    "Condition",
    "Document",
    "Effective",
    "Fleet",
    "FleetError",
    "ForecastRule",
    "JudgedRule",
    "Layer",
    "MetricRule",
    "NodeTable",
    "PresenceRule",
    "RuleTable",
    "Template",
    "ThresholdRule",
    "built_in",
    "inhibited_by",
    "read",
    "silence_s",
]
