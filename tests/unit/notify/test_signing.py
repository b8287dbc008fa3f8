from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

import pytest

from killswitch.signing import sign, verify
from tests.unit.notify.builders import AT


def test_the_signature_is_the_hmac_of_time_dot_body():
    wanted = hmac.new(b"s3cret", b'1772448720.{"a":1}', hashlib.sha256).hexdigest()
    assert sign("s3cret", b'{"a":1}', now=AT) == f"t=1772448720,v1={wanted}"


@pytest.mark.parametrize(
    ("secret", "body", "later_s", "good"),
    [
        ("s3cret", b"body", 0, True),
        ("s3cret", b"body", 299, True),
        ("s3cret", b"body", 301, False),
        ("s3cret", b"body", -301, False),
        ("s3cret", b"bodz", 0, False),
        ("other", b"body", 0, False),
    ],
)
def test_a_receiver_refuses_what_is_old_changed_or_signed_by_another(secret, body, later_s, good):
    signature = sign("s3cret", b"body", now=AT)
    now = AT + timedelta(seconds=later_s)
    assert verify(secret, body, signature, now=now, tolerance_s=300) is good


@pytest.mark.parametrize("signature", ["", "t=,v1=", "t=x,v1=y", "v1=abc", "t=²,v1=a", "nonsense"])
def test_nonsense_is_no_signature(signature):
    assert not verify("s3cret", b"body", signature, now=AT, tolerance_s=300)
