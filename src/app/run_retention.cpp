#include "app/run_retention.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "durable/membership.h"
#include "net/event_loop.h"

namespace slipway::app {
namespace {

constexpr base::Duration kBetweenBatches = std::chrono::milliseconds(20);

// Durable when it returns: what is removed from the store afterwards must be here.
void append_to_archive(const std::filesystem::path& folder, base::Instant now, const std::string& lines) {
  std::filesystem::create_directories(folder);
  const auto file = folder / ("runs-" + base::format_rfc3339(now).substr(0, 7) + ".jsonl");
  const base::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) throw base::system_error("open " + file.string(), errno);
  const auto size_before = ::lseek(fd.get(), 0, SEEK_END);
  for (std::size_t done = 0; done < lines.size();) {
    const auto written = ::write(fd.get(), lines.data() + done, lines.size() - done);
    if (written < 0 && errno != EINTR) {
      const int failure = errno;
      // No half line stays for the next one to be glued to.
      if (::ftruncate(fd.get(), size_before) != 0) throw base::system_error("cut " + file.string() + " back", errno);
      throw base::system_error("write " + file.string(), failure);
    }
    done += written > 0 ? std::size_t(written) : 0;
  }
  if (::fdatasync(fd.get()) != 0) throw base::system_error("sync " + file.string(), errno);
}

}  // namespace

net::Awaitable<void> RunRetention::run(const bool& stopped) {
  std::vector<std::string> types;
  co_await api::read(hub_, [&](store::Transaction& tx) {
    types.clear();
    if (durable::is_eldest(tx, hub_.engine.replica())) types = durable::retention::types(tx);
  });
  std::int64_t removed = 0;
  for (const auto& type : types) {
    std::optional<durable::Instant> until;
    co_await api::read(hub_, [&](store::Transaction& tx) {
      until = durable::retention::outlived_until(tx, type, policy_.of(type), hub_.clock.now());
    });
    for (std::int64_t batch = 1; until && batch > 0 && !stopped; removed += batch) {
      batch = co_await remove_oldest(type, *until);
      if (batch > 0) co_await net::sleep_for(kBetweenBatches);
    }
  }
  if (removed > 0) hub_.log.info("old runs were removed", {{"runs", removed}, {"archive", archive_folder_.string()}});
}

net::Awaitable<std::int64_t> RunRetention::remove_oldest(const std::string& type, durable::Instant until) {
  std::vector<durable::retention::Expired> expired;
  co_await api::read(hub_, [&](store::Transaction& tx) { expired = durable::retention::oldest(tx, type, until); });
  if (expired.empty()) co_return 0;
  if (!archive_folder_.empty()) {
    std::string lines;
    for (const auto& run : expired) lines += durable::retention::to_json_line(run) + "\n";
    co_await net::run_blocking(hub_.io, hub_.workers,
                               [&] { append_to_archive(archive_folder_, hub_.clock.now(), lines); });
  }
  std::vector<base::RunId> ids;
  for (const auto& run : expired) ids.push_back(run.row.record.id);
  std::int64_t removed = 0;
  co_await api::write(hub_, [&](store::Transaction& tx) { removed = durable::retention::remove(tx, ids); });
  hub_.metrics.counter("slipway_runs_removed_total", "Ended runs that retention removed.", {{"type", type}})
      .increment(double(removed));
  co_return removed;
}

}  // namespace slipway::app
