from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from serving import Running

BASE = "/api/v1/stream/"


async def test_a_stream_is_started_listed_asked_and_stopped(server: Running) -> None:
    status, started = await server.post(BASE + "start/a", json={"sample_rate": 16_000, "channels": 2})
    assert status == 201
    assert (started["stream_id"], started["sample_rate"], started["channels"]) == ("a", 16_000, 2)
    assert started["encoding"] == "float32"
    status, again = await server.post(BASE + "start/a")
    assert (status, again["error"]["code"]) == (409, "stream_exists")
    assert [s["stream_id"] for s in (await server.get(BASE + "list"))[1]["streams"]] == ["a"]
    assert (await server.get(BASE + "stats/a"))[1]["buffer"]["written"] == 0
    status, stopped = await server.post(BASE + "stop/a")
    assert (status, stopped["stream_id"]) == (200, "a")
    status, gone = await server.post(BASE + "stop/a")
    assert (status, gone["error"]["code"]) == (404, "unknown_stream")
    assert (await server.get(BASE + "stats/a"))[0] == 404


async def test_a_body_may_come_in_parts(server: Running) -> None:
    host, port = server.netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"sample_rate": 48000}'
    head = f"POST {BASE}start/a HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    for part in (head.encode(), body[:9], body[9:]):
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.05)
    assert b" 201 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert (await server.get(BASE + "stats/a"))[1]["sample_rate"] == 48_000


async def test_a_started_stream_outlives_its_connections(server: Running) -> None:
    await server.post(BASE + "start/a", json={"sample_rate": 8_000})
    async with server.connect(BASE + "audio/a") as ws:
        assert (await ws.receive_json())["sample_rate"] == 8_000
        await ws.send_bytes(bytes(400))
        await ws.receive_json()
    assert (await server.get(BASE + "stats/a"))[1]["buffer"]["written"] == 100
    await server.post(BASE + "stop/a")
    await server.empty()


async def test_stopping_tells_the_connections(server: Running) -> None:
    for kind in ("audio", "voice"):
        async with server.connect(f"{BASE}{kind}/a") as ws:
            await ws.receive_json()
            assert (await server.post(BASE + "stop/a"))[0] == 200
            message = await ws.receive_json(timeout=5)
            while message["type"] == "ack":
                message = await ws.receive_json(timeout=5)
            assert (message["type"], message["reason"]) == ("closed", "stopped")
            await ws.receive()
            assert ws.close_code == 1000
        await server.empty()


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ("[]", "invalid_json", None),
        ("{", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        ('{"sample_rate": 1}', "invalid_parameter", "sample_rate"),
        ('{"sample_rate": true}', "invalid_parameter", "sample_rate"),
        ('{"sample_rate": 16000.5}', "invalid_parameter", "sample_rate"),
        ('{"encoding": "container"}', "invalid_parameter", "encoding"),
        ('{"encoding": null}', "invalid_parameter", "encoding"),
        ('{"channels": [1]}', "invalid_parameter", "channels"),
    ],
)
async def test_a_wrong_body_is_refused(server: Running, body: Any, code: str, param: str | None) -> None:
    status, answer = await server.post(BASE + "start/a", data=body)
    assert status == 400
    assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)
    assert len(server.services.registry) == 0


async def test_a_large_body_is_refused(server: Running) -> None:
    status, answer = await server.post(BASE + "start/a", data=b" " * 5000)
    assert (status, answer["error"]["code"]) == (413, "message_too_large")


@pytest.mark.parametrize("stream_id", ["a%20b", "x" * 129, "%0A", "%2e%2e%2f"])
async def test_ids_are_checked_everywhere(server: Running, stream_id: str) -> None:
    for method, path in [("POST", "start/"), ("POST", "stop/"), ("GET", "stats/")]:
        status, _ = await server._ask(method, BASE + path + stream_id)
        assert status in (400, 404)


async def test_health_says_what_runs(server: Running) -> None:
    status, health = await server.get(BASE + "health")
    assert status == 200
    assert (health["status"], health["engine"], health["streams"]) == ("ok", "scripted", 0)
    server.services.registry.draining = True
    assert (await server.get(BASE + "health"))[0] == 503


async def test_metrics_for_prometheus_and_for_people(server: Running) -> None:
    async with server.connect(BASE + "audio/a") as ws:
        await ws.receive_json()
        await ws.send_bytes(bytes(4096))
        await ws.receive_json()
        status, text = await server.get("/metrics")
        assert status == 200
        assert 'fastring_messages_total{endpoint="audio"} 1.0' in text
        assert "fastring_analysis_streams 1.0" in text
        status, streaming = await server.get("/metrics/streaming")
        assert streaming == {
            "active_connections": 1,
            "avg_latency_ms": None,
            "p95_latency_ms": None,
            "latency_sample_count": 0,
            "asr_failure_count": 0,
            "dropped_segments": 0,
            "adaptive_window_seconds": 2.5,
        }
    await server.empty()
    assert 'fastring_messages_total{endpoint="audio"} 1.0' in (await server.get("/metrics"))[1]
