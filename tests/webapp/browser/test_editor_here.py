"""The editor's own tests, of a site in place of a server: it is the same page, so what holds there must hold here."""

import importlib
from types import FunctionType

import pytest

MODULES = (
    *("accessibility", "exporting", "files", "keeping", "moving", "newcomer", "page", "painting"),
    *("parts", "projects", "selecting", "undo", "view"),
)
# What is about a server, waits for its answers, or needs what only the installed editor does; all of framing waits for answers.
ELSEWHERE = {
    "a_file_that_is_too_large_is_told_before_it_is_sent",
    "a_project_asks_before_it_replaces_unsaved_work",
    "a_project_opens_wherever_it_is_dropped",
    "a_project_whose_session_is_forgotten_keeps_its_photo",
    "a_reference_that_is_removed_takes_all_its_patches_along",
    "a_server_that_is_away_for_a_while",
    "a_server_that_is_busy_is_asked_again",
    "a_server_with_other_weights_is_told",
    "a_session_that_the_server_forgot_is_made_again",
    "a_slider_reaches_as_far_as_the_project",
    "a_wrong_file_is_told_and_changes_nothing",
    "clear_and_all_to_zero_leave_nothing_of_a_project",
    "files_dragged_in_from_the_system",
    "formats_and_quality",
    "no_more_than_one_request_is_on_its_way_and_the_last_picture_is_of_the_last_edit",
    "pictures_chosen_after_a_project_outlive_the_session_too",
    "the_brush_of_the_keyboard_stays_in_sight",
    "the_tool_is_off_where_no_parts_are_known",
    "the_wheel_zooms_around_the_pointer",
    "the_view_is_moved",
    "two_fingers_zoom_and_one_paints",
    "two_pages_do_not_mix",
    "undo_gives_the_pictures_before_another_original_and_another_reference",
    "what_takes_long_shows_a_sign_and_can_be_cancelled",
    "what_the_page_has_no_controls_for_stays_in_the_picture",
}
pytestmark = pytest.mark.slow

for name in MODULES:
    for key, value in vars(importlib.import_module(f"tests.editor.browser.test_{name}")).items():
        if isinstance(value, FunctionType) and key.startswith("test_") and key[5:] not in ELSEWHERE:
            globals()[f"{key}_{name}"] = value
        elif type(value).__name__ == "FixtureFunctionDefinition":
            globals()[key] = value
