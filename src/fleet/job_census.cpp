#include "fleet/job_census.h"

#include <algorithm>
#include <array>

#include "fleet/job_rows.h"

namespace slipway::fleet {
namespace {

bool is_served(const std::vector<Daemon>& daemons, const Unserved& group) {
  const auto tags = json::parse<std::map<std::string, std::string>>(group.tags, json::Mode::lenient);
  return std::ranges::any_of(daemons, [&](const Daemon& daemon) {
    return daemon.status != DaemonStatus::offline && has_tags(daemon.tags, tags) &&
           std::ranges::find(daemon.provisioners, group.provisioner) != daemon.provisioners.end();
  });
}

}  // namespace

std::string Unserved::name() const { return tags == "{}" ? provisioner : provisioner + " " + tags; }

JobCensus take_job_census(store::Transaction& tx, Instant now) {
  JobCensus census;
  for (const auto& row : tx.query("SELECT provisioner, COUNT(*) FROM provisioner_jobs WHERE status = 'running' "
                                  "GROUP BY provisioner ORDER BY provisioner"))
    census.at_work.push_back({row.text(0), row.integer(1)});
  for (const auto priority : {JobPriority::person, JobPriority::automatic, JobPriority::prebuild})
    census.waiting.push_back({.priority = priority});
  for (const auto& row : tx.query("SELECT priority, COUNT(*), MIN(updated_at) FROM provisioner_jobs "
                                  "WHERE status = 'pending' GROUP BY priority"))
    census.waiting.at(std::size_t(row.integer(0))) = {JobPriority(row.integer(0)), row.integer(1), row.instant(2)};
  std::map<DaemonStatus, std::int64_t> counts{
      {DaemonStatus::online, 0}, {DaemonStatus::draining, 0}, {DaemonStatus::offline, 0}};
  for (const auto& daemon : list_daemons(tx, now)) ++counts[daemon.status];
  for (const auto& [status, count] : counts) census.daemons.push_back({status, count});
  return census;
}

std::vector<Unserved> unserved_jobs(store::Transaction& tx, Instant now) {
  std::vector<Unserved> found;
  for (const auto& row : tx.query("SELECT provisioner, tags, COUNT(*), MIN(updated_at) FROM provisioner_jobs "
                                  "WHERE status = 'pending' GROUP BY provisioner, tags ORDER BY provisioner, tags"))
    found.push_back({row.text(0), row.text(1), row.integer(2), row.instant(3)});
  if (found.empty()) return found;
  const auto daemons = list_daemons(tx, now);
  std::erase_if(found, [&](const Unserved& group) { return is_served(daemons, group); });
  return found;
}

std::vector<Job> fail_unserved(store::Transaction& tx, const Unserved& unserved, Instant before, std::int64_t limit,
                               Instant now) {
#define UNSERVED                                                                                           \
  "SELECT " JOB_COLUMNS                                                                                    \
  "FROM provisioner_jobs WHERE status = 'pending' AND provisioner = $1 AND tags = $2 AND updated_at < $3 " \
  "ORDER BY id LIMIT $4"
  const auto sql = tx.dialect() == store::Dialect::postgres ? std::string_view(UNSERVED " FOR UPDATE SKIP LOCKED")
                                                            : std::string_view(UNSERVED);
#undef UNSERVED
  std::vector<Job> failed;
  for (const auto& row : tx.query(sql, {unserved.provisioner, unserved.tags, before, limit})) {
    auto job = to_job(row);
    end_unsuccessful(
        tx, job, JobStatus::failed,
        base::Error(base::ErrorClass::quota, "NO_DAEMON",
                    "no provisioner daemon that could take it came in all the time: it asks for " + unserved.name()),
        true, {}, now);
    failed.push_back(std::move(job));
  }
  return failed;
}

bool any_lost(store::Transaction& tx, Instant now) {
  return !tx.query("SELECT 1 FROM provisioner_jobs WHERE status = 'running' AND lease_until < $1 LIMIT 1", {now})
              .empty();
}

}  // namespace slipway::fleet
