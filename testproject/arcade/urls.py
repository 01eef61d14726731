"""Addresses of the arcade."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from arcade import board_views, caching_views, game_views, hall_views, limit_views, lock_views, stream_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("log-in/", views.LogIn.as_view(), name="log-in"),
    path("log-out/", LogoutView.as_view(), name="log-out"),
    path("devices/", views.devices, name="devices"),
    path("devices/log-out/", views.log_out_device, name="log-out-device"),
    path("devices/log-out-others/", views.log_out_others, name="log-out-others"),
    path("quick-draw/", game_views.page, name="quick-draw"),
    path("quick-draw/start/", game_views.start, name="quick-draw-start"),
    path("quick-draw/finish/", game_views.finish, name="quick-draw-finish"),
    path("rate-limits/", limit_views.page, name="rate-limits"),
    path("rate-limits/hit/", limit_views.hit, name="rate-limits-hit"),
    path("rate-limits/look/", limit_views.look, name="rate-limits-look"),
    path("rate-limits/start-over/", limit_views.start_over, name="rate-limits-start-over"),
    path("caching/", caching_views.page, name="caching"),
    path("caching/rows/", caching_views.rows, name="caching-rows"),
    path("caching/send/", caching_views.send, name="caching-send"),
    path("hall-of-fame/", hall_views.page, name="hall-of-fame"),
    path("hall-of-fame/rows/", hall_views.rows, name="hall-rows"),
    path("hall-of-fame/beat/", hall_views.beat, name="hall-beat"),
    path("leaderboards/", board_views.page, name="leaderboards"),
    path("leaderboards/rows/", board_views.rows, name="leaderboard-rows"),
    path("locks/", lock_views.page, name="locks"),
    path("locks/rows/", lock_views.rows, name="lock-rows"),
    path("locks/queue/", lock_views.queue, name="lock-queue"),
    path("locks/queue-bots/", lock_views.queue_bots, name="lock-queue-bots"),
    path("locks/kill/", lock_views.kill, name="lock-kill"),
    path("locks/release/", lock_views.release, name="lock-release"),
    path("locks/close-season/", lock_views.close_season, name="close-season"),
    path("streams/", stream_views.page, name="streams"),
    path("streams/rows/", stream_views.rows, name="streams-rows"),
    path("streams/play/", stream_views.play, name="streams-play"),
    path("streams/break-off/", stream_views.break_off, name="streams-break-off"),
    path("streams/kill/", stream_views.kill, name="streams-kill"),
    path("streams/pull-the-plug/", stream_views.pull_the_plug, name="streams-pull-the-plug"),
    path("streams/switch-on/", stream_views.switch_on, name="streams-switch-on"),
    path("streams/deploy/", stream_views.deploy, name="streams-deploy"),
    path("streams/redrive/", stream_views.redrive, name="streams-redrive"),
]
