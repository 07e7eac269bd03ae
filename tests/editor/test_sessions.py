"""Sessions end, make room and do not mix."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from stylemap.editing.applying import Edited
from stylemap.editor import app
from stylemap.editor.limits import Limits
from stylemap.editor.sessions import Sessions
from stylemap.editor.workers import Worker
from tests.editor.conftest import HOST, SIDE, Clock, Page, box, make_studio, patch, photo, pixels, png


@pytest.fixture
def clock():
    return Clock()


def test_ids_are_long_and_differ(clock):
    sessions = Sessions(Limits(sessions=100), clock)
    ids = {sessions.create().id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)


def test_sessions_expire_unless_used(clock):
    sessions = Sessions(Limits(idle_s=100), clock)
    left, used = sessions.create(), sessions.create()
    clock.now = 90
    assert sessions.get(used.id) is used
    clock.now = 150
    assert sessions.get(used.id) is used
    with pytest.raises(HTTPException) as refusal:
        sessions.get(left.id)
    assert refusal.value.status_code == 404
    clock.now = 1000
    sessions.expire()
    assert len(sessions) == 0


def test_the_longest_idle_gives_way(clock):
    sessions = Sessions(Limits(sessions=2, evict_s=10, idle_s=1000), clock)
    first = sessions.create()
    clock.now = 5
    second = sessions.create()
    with pytest.raises(HTTPException) as refusal:
        sessions.create()
    assert refusal.value.status_code == 503
    clock.now = 12
    third = sessions.create()
    assert sessions.get(second.id) and sessions.get(third.id)
    with pytest.raises(HTTPException):
        sessions.get(first.id)


def test_an_upload_keeps_its_session_and_no_newcomer_out(clock):
    sessions = Sessions(Limits(sessions=2, evict_s=10, idle_s=1000), clock)
    first, second = sessions.create(), sessions.create()
    with first.sending(1):
        clock.now = 11
        third = sessions.create()
    assert sessions.get(first.id) and sessions.get(third.id)
    with pytest.raises(HTTPException):
        sessions.get(second.id)


def test_over_http(studio, refused, clock):
    limits = Limits(sessions=2, idle_s=100, evict_s=50)
    application = app.create(studio, limits, clock=clock)
    with TestClient(application, base_url=HOST) as client:
        info = client.get("/api/info").json()
        assert info["detector"] is False
        first, second = Page(client), Page(client)
        first.put("original", 1)
        refused(client.post("/api/sessions"), 503, "minutes")
        refused(first.put("original", png(photo()), "?frame=face"), 422, "--detector")
        clock.now = 99
        assert second.put("original", 1).status_code == 200
        clock.now = 101
        refused(first.render(), 404, "reload")
        assert second.render().status_code == 200
        client.delete(second.path)
        assert Page(client) and Page(client)


def test_pictures_go_with_their_session():
    """Neither pictures nor kept maps outlive a session."""
    studio = make_studio()
    with TestClient(app.create(studio), base_url=HOST) as client:
        for _ in range(3):
            page = Page(client)
            page.put("original", 0)
            page.put(0, 1)
            assert page.render(patches=[patch()]).status_code == 200
            assert len(studio.cache) == 2
            client.delete(page.path)
            # what the thread of the model did last may hold on to it until its next job
            page = Page(client)
            page.put("original", 0)
            page.render()
            client.delete(page.path)
        assert len(studio.cache) <= 1


def test_kept_maps_are_bounded():
    studio = make_studio()
    studio.cache.most_bytes = 5 * studio.cache.styles_bytes
    with TestClient(app.create(studio), base_url=HOST) as client:
        page = Page(client)
        for slot in ("original", 0, 1, 2):
            page.put(slot, 3)
        assert page.render(patches=[patch(i) for i in range(3)]).status_code == 200
        assert 0 < studio.cache.bytes <= studio.cache.most_bytes


def test_people_do_not_mix(client):
    """Several at once, each with pictures of their own: every answer is the one that is got alone."""
    mask = box(8, 24, 8, 24)
    edits = [{"patches": [patch(0, mask, strength=s, shift=[s, 0])]} for s in (0.25, 0.5, 1.0)]
    pages, alone = [], []
    for k in range(5):
        page = Page(client)
        page.put("original", 2 * k)
        page.put(0, png(photo(SIDE, SIDE, seed=k)))
        pages.append(page)
        alone.append([page.render(**edit).content for edit in edits])
    assert len({answer for answers in alone for answer in answers}) == 15
    wrong = []

    def hammer(k: int) -> None:
        for turn in range(12):
            # now and then the same picture again, amid the others' edits
            if turn % 4 == 3 and pages[k].put("original", 2 * k).status_code != 200:
                wrong.append(k)
            i = turn % 3
            if pages[k].render(**edits[i]).content != alone[k][i]:
                wrong.append((k, i))

    threads = [threading.Thread(target=hammer, args=(k,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    for page in pages:
        client.delete(page.path)


def test_uploads_of_one_session_keep_their_order(ready):
    """Whoever reads afterwards sees one of them whole, photo and reconstruction of the same picture."""
    threads = [threading.Thread(target=ready.put, args=("original", k)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = pixels(ready.ask("GET", "/pictures/original.png").content)
    reconstruction = ready.ask("GET", "/pictures/original.png?view=reconstruction").content
    ready.put("original", png(shown))
    assert ready.ask("GET", "/pictures/original.png?view=reconstruction").content == reconstruction


def test_a_queue_that_is_full(studio, refused, monkeypatch):
    began, go_on = threading.Event(), threading.Event()

    def rendered(*_) -> Edited:
        began.set()
        go_on.wait(5)
        return Edited(np.zeros((SIDE, SIDE, 3), np.uint8))

    application = app.create(studio, Limits(waiting=1))
    with TestClient(application, base_url=HOST, raise_server_exceptions=False) as client:
        page = Page(client)
        page.put("original", 0)
        monkeypatch.setattr(studio, "render", rendered)
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(page.render()))
        waiting.start()
        assert began.wait(5)
        refused(page.render(), 503, "too much")
        # the loop answers others all the while
        assert client.get("/api/info").status_code == 200
        go_on.set()
        waiting.join()
        assert answers[0].status_code == 200


def test_who_went_away_is_not_rendered_for(studio, monkeypatch):
    began, go_on, rendered = threading.Event(), threading.Event(), []
    render = studio.render

    def slow(edit, *given):
        rendered.append(len(edit.patches))
        began.set()
        go_on.wait(5)
        return render(edit, *given)

    application = app.create(studio)
    with TestClient(application, base_url=HOST) as client:
        page = Page(client)
        page.put("original", 0)
        page.put(0, 1)
        monkeypatch.setattr(studio, "render", slow)
        first = threading.Thread(target=page.render)
        first.start()
        began.wait(5)
        body = b'{"pushes": []}'
        messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": page.path + "/render", "raw_path": b"", "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        client.portal.call(application, scope, receive, send)
        assert sent[0]["status"] == 499
        go_on.set()
        first.join()
        assert page.render(patches=[patch()]).status_code == 200
    # the first and the last, and not the one between
    assert rendered == [0, 1]


class Client:
    """Stays, or goes away at once."""

    def __init__(self, stays: bool):
        self.stays = stays

    async def receive(self) -> dict:
        if self.stays:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}


def test_memory_of_who_went_away_is_counted_until_it_is_free():
    """A cancelled job gives its arguments back at once; one that runs counts until it is done."""
    began, go_on = threading.Event(), threading.Event()

    def running(_):
        began.set()
        go_on.wait(5)

    async def story() -> list[str]:
        worker, told = Worker("test", 2), []

        async def ask(client: Client, job, argument) -> str:
            try:
                await worker.run(client, job, argument)
            except HTTPException as err:
                return str(err.status_code)
            return "done"

        first = asyncio.ensure_future(ask(Client(stays=False), running, np.zeros(9)))
        told.append(await first)
        began.wait(5)
        payload = np.zeros(9)
        held = weakref.ref(payload)
        queued = ask(Client(stays=False), len, payload)
        del payload
        told.append(await queued)
        del queued
        gc.collect()
        told.append("held" if held() is not None else "free")
        # the running one and this one: two, and no third
        waiting = asyncio.ensure_future(ask(Client(stays=True), len, ()))
        await asyncio.sleep(0)
        told.append(await ask(Client(stays=True), len, ()))
        go_on.set()
        told.append(await waiting)
        told.append(await ask(Client(stays=True), len, ()))
        worker.close()
        return told

    # in a thread of its own: the browser tests leave a loop running in this one
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, story()).result() == ["499", "499", "free", "503", "done", "done"]


def test_too_many_requests_at_a_time(studio, refused):
    with TestClient(app.create(studio, Limits(sessions=0, spare=0)), base_url=HOST) as client:
        refused(client.get("/api/info"), 503)
