#include "app/run_statistics.h"

#include "api/change_stream.h"
#include "fleet/run_rollups.h"

namespace slipway::app {
namespace {

constexpr base::Duration kPause = std::chrono::seconds(1);
constexpr base::Duration kBetweenPages = std::chrono::milliseconds(20);  // others have their turn at the store
constexpr base::Duration kTrimEvery = std::chrono::minutes(30);

}  // namespace

void RunStatistics::stop() {
  stopped_ = true;
  stopping_.notify_all();
}

net::Awaitable<void> RunStatistics::run() {
  while (!stopped_) {
    co_await stopping_.wait_for(kPause);
    if (stopped_) co_return;
    try {
      co_await advance();
      co_await trim();
    } catch (...) {
      hub_.log.error("runs could not be summed up, and it is tried again", base::as_error(std::current_exception()),
                     {});
    }
  }
}

net::Awaitable<void> RunStatistics::advance() {
  while (!stopped_ && hub_.changes.has_begun()) {
    const auto settled = hub_.changes.position();
    if (settled == advanced_until_ && !has_backlog_) co_return;
    fleet::RollupPage page;
    co_await api::read(hub_, [&](store::Transaction& tx) { page = fleet::read_rollup_page(tx, settled); });
    if (page.is_worth_writing())
      co_await api::write(hub_, [&](store::Transaction& tx) { fleet::apply_rollup_page(tx, page); });
    if (!page.is_full && page.from_backlog.empty()) {
      advanced_until_ = settled;
      has_backlog_ = false;
      co_return;
    }
    co_await net::sleep_for(kBetweenPages);
  }
}

net::Awaitable<void> RunStatistics::trim() {
  const auto now = hub_.clock.now();
  if (now - trimmed_at_ < kTrimEvery) co_return;
  trimmed_at_ = now;
  for (std::int64_t removed = fleet::kRemovedAtOnce; removed >= fleet::kRemovedAtOnce && !stopped_;) {
    co_await api::write(hub_, [&](store::Transaction& tx) { removed = fleet::trim_rollups(tx, now); });
    co_await net::sleep_for(kBetweenPages);
  }
}

}  // namespace slipway::app
