#include "app/alert_watch.h"

#include "api/call.h"
#include "durable/membership.h"

namespace slipway::app {
namespace {

// News wake it at once; this is for those that never came.
constexpr base::Duration kPause = std::chrono::seconds(5);

}  // namespace

AlertWatch::AlertWatch(api::Hub& hub)
    : hub_(hub),
      news_(hub.changes.subscribe(fleet::Scope::everything("the hub watches all alerts"),
                                  {.types = {"alert.*"}, .resource_id = {}})) {
  gauge_ = hub.metrics.read_many(
      observe::Registry::Kind::gauge, "slipway_alerts_open",
      "Alerts that are not resolved, over all replicas, counted now and then.", [this] {
        std::vector<observe::Registry::Sample> samples;
        for (const auto& open : open_)
          samples.push_back({{{"kind", open.kind}, {"severity", boost::describe::enum_to_string(open.severity, "")}},
                             double(open.count)});
        return samples;
      });
}

void AlertWatch::stop() {
  stopped_ = true;
  news_->arrived.notify_all();
}

net::Awaitable<void> AlertWatch::run() {
  while (!stopped_) {
    try {
      co_await look();
    } catch (...) {
      hub_.log.error("alerts could not be counted, and it is tried again", base::as_error(std::current_exception()),
                     {});
    }
    if (!stopped_ && news_->waiting.empty()) co_await news_->arrived.wait_for(kPause);
  }
}

net::Awaitable<void> AlertWatch::look() {
  const auto news = std::exchange(news_->waiting, {});
  news_->lagging = false;  // what was too much for the log is in the records
  bool is_eldest = false;
  co_await api::read(hub_, [&](store::Transaction& tx) {
    open_ = fleet::count_open_alerts(tx);
    is_eldest = durable::is_eldest(tx, hub_.engine.replica());
  });
  if (!is_eldest) co_return;
  for (const auto& one : news) write_to_log(one->change());
}

void AlertWatch::write_to_log(const fleet::Change& change) const {
  const auto alert = json::from_value<fleet::Alert>(change.data, json::Mode::lenient);
  const bool raised = change.type == "alert.raised";
  hub_.log.log(raised ? observe::Level::warning : observe::Level::info,
               raised                            ? "an alert was raised"
               : change.type == "alert.resolved" ? "an alert was resolved"
                                                 : "an alert was acknowledged",
               {{"alert", alert.id},
                {"kind", alert.kind},
                {"severity", boost::describe::enum_to_string(alert.severity, "")},
                {"resource", alert.resource_type + "/" + alert.resource_id},
                {"run", alert.run_id.value_or("")},
                {"count", alert.count},
                {"message", alert.message}});
}

}  // namespace slipway::app
