#include "app/alert_mailer.h"

#include "api/call.h"
#include "durable/membership.h"
#include "fleet/alert.h"
#include "net/event_loop.h"
#include "notify/alert_mail.h"

namespace slipway::app {
namespace {

constexpr base::Duration kBetweenLooks = std::chrono::seconds(5);
constexpr base::Duration kBetweenMails = std::chrono::minutes(1);  // a storm of alerts is no storm of mails
constexpr std::int64_t kAlertsInMailMax = 50;                      // more than anybody reads at once

}  // namespace

AlertMailer::AlertMailer(api::Hub& hub, notify::MailSender& sender, std::string to, std::string hub_url)
    : hub_(hub), sender_(sender), to_(std::move(to)), hub_url_(std::move(hub_url)), stopping_(hub.io) {}

void AlertMailer::stop() {
  stopped_ = true;
  stop_sending_.request_stop();
  stopping_.notify_all();
}

net::Awaitable<void> AlertMailer::run() {
  while (!stopped_) {
    auto pause = kBetweenLooks;
    try {
      if (co_await tell()) pause = kBetweenMails;
      is_failing_ = false;
    } catch (...) {
      pause = kBetweenMails;
      if (!std::exchange(is_failing_, true) && !stopped_)
        hub_.log.error("alerts cannot be told by mail, and it is tried again", base::as_error(std::current_exception()),
                       {{"to", to_}});
    }
    if (!stopped_) co_await stopping_.wait_for(pause);
  }
}

net::Awaitable<bool> AlertMailer::tell() {
  std::vector<fleet::Alert> alerts;
  std::int64_t further = 0;
  co_await api::read(hub_, [&](store::Transaction& tx) {
    alerts.clear();
    if (!durable::is_eldest(tx, hub_.engine.replica())) return;
    alerts = fleet::alerts_to_notify(tx, kAlertsInMailMax);
    further = fleet::count_alerts_to_notify(tx) - std::int64_t(alerts.size());
  });
  if (alerts.empty() || stopped_) co_return false;
  const auto mail = notify::render_alerts(to_, alerts, further, hub_url_);
  co_await net::run_blocking(hub_.io, hub_.workers, [&] { sender_.send(mail, stop_sending_.get_token()); });
  co_await api::write(hub_, [&](store::Transaction& tx) {
    for (const auto& alert : alerts) fleet::set_alert_notified(tx, alert.id, hub_.clock.now());
  });
  co_return true;
}

}  // namespace slipway::app
