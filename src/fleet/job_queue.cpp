#include "fleet/job_queue.h"

#include "fleet/job_log.h"
#include "fleet/job_rows.h"
#include "fleet/job_subject.h"

namespace slipway::fleet {
namespace {

constexpr std::string_view kRunning = "running";

// The sets of tags that jobs in line for this provisioner ask for, each found by one step in the index, however many
// jobs there are.
constexpr std::string_view kTagSets =
    "WITH RECURSIVE sets(tags) AS ("
    "SELECT (SELECT MIN(tags) FROM provisioner_jobs WHERE status = 'pending' AND provisioner = $1) "
    "UNION ALL SELECT (SELECT MIN(j.tags) FROM provisioner_jobs j WHERE j.status = 'pending' AND j.provisioner = $1 "
    "AND j.tags > s.tags) FROM sets s WHERE s.tags IS NOT NULL) SELECT tags FROM sets WHERE tags IS NOT NULL";

// $4: the owners' cap, 0 for none. Whoever is at a cap is found once for the statement, not for each job.
#define FIRST_IN_LINE                                                                                              \
  "SELECT j.id, j.priority, j.turn FROM provisioner_jobs j WHERE j.status = 'pending' AND j.provisioner = $1 "     \
  "AND j.tags = $2 AND j.available_at <= $3 "                                                                      \
  "AND ($4 = 0 OR j.owner_id NOT IN (SELECT r.owner_id FROM provisioner_jobs r WHERE r.status = 'running' "        \
  "GROUP BY r.owner_id HAVING COUNT(*) >= $4)) "                                                                   \
  "AND (j.template_id IS NULL OR j.template_id NOT IN (SELECT t.id FROM templates t WHERE t.jobs_max IS NOT NULL " \
  "AND t.jobs_max <= (SELECT COUNT(*) FROM provisioner_jobs r WHERE r.template_id = t.id "                         \
  "AND r.status = 'running'))) "                                                                                   \
  "ORDER BY j.priority, j.turn, j.id LIMIT 1"

struct Place {
  std::int64_t priority = 0, turn = 0;
  std::string id;
  auto operator<=>(const Place&) const = default;
};

std::vector<std::string> fitting_tag_sets(store::Transaction& tx, const Daemon& daemon,
                                          const std::string& provisioner) {
  std::vector<std::string> sets;
  for (const auto& row : tx.query(kTagSets, {provisioner})) {
    const auto wanted = json::parse<std::map<std::string, std::string>>(row.text(0), json::Mode::lenient);
    if (has_tags(daemon.tags, wanted)) sets.push_back(row.text(0));
  }
  return sets;
}

std::optional<Place> first_for(store::Transaction& tx, const Daemon& daemon, const QueueLimits& limits, Instant now) {
  const auto sql = tx.dialect() == store::Dialect::postgres ? std::string_view(FIRST_IN_LINE " FOR UPDATE SKIP LOCKED")
                                                            : std::string_view(FIRST_IN_LINE);
  std::optional<Place> first;
  for (const auto& provisioner : daemon.provisioners)
    for (const auto& tags : fitting_tag_sets(tx, daemon, provisioner))
      for (const auto& row : tx.query(sql, {provisioner, tags, now, limits.per_owner})) {
        const Place place{row.integer(1), row.integer(2), row.text(0)};
        if (!first || place < *first) first = place;
      }
  return first;
}

// Who takes a job waits here for the one before; the next sees what was taken.
void lock_turns(store::Transaction& tx) {
  if (tx.dialect() == store::Dialect::postgres)
    tx.query("SELECT priority FROM provisioner_job_turns ORDER BY priority FOR UPDATE");
}

// An acquire whose answer was lost.
std::optional<Job> given_before(store::Transaction& tx, const Daemon& daemon, const std::string& token) {
  const auto rows = tx.query(
      "SELECT id FROM provisioner_jobs WHERE daemon_id = $1 AND status = 'running' "
      "AND acquire_token = $2 AND salvage_until IS NULL",
      {daemon.id.str(), token});
  if (rows.empty()) return std::nullopt;
  auto job = lock_job(tx, JobId(rows.front().text(0)));
  const bool holds = job && job->status == JobStatus::running && job->daemon_id == daemon.id && !job->salvage_until;
  return holds ? job : std::nullopt;
}

// By its present holder: a lock that one before it has left keeps nobody.
bool is_state_locked(store::Transaction& tx, const Job& job) {
  if (!job.workspace_id) return false;
  return !tx.query("SELECT 1 FROM workspace_state_locks WHERE workspace_id = $1 AND job_id = $2 AND fence = $3",
                   {job.workspace_id->str(), job.id.str(), job.fence})
              .empty();
}

base::Error provisioner_lost(const std::string& what) {
  return base::Error(base::ErrorClass::transient, kProvisionerLost, what);
}

std::string whose(const Job& job) {
  return "the provisioner daemon '" + job.daemon_name + "' was lost while it did the job";
}

// Into the job's log. Its holder can write there no more: the numbers of its lines are not taken from it.
void say(store::Transaction& tx, Job& job, std::string output, Instant now) {
  append_own_line(tx, job, LogLevel::warn, "Provisioner daemon", std::move(output), now);
}

// Ends it, or lets it begin anew under a fence that shuts the old holder out of everything.
void decide(store::Transaction& tx, Job job, bool may_begin_anew, Swept& swept, Instant now) {
  const bool again = may_begin_anew && !job.cancel_requested_at && job.attempt < job.attempts_max;
  if (again) {
    requeue(tx, job, provisioner_lost(whose(job) + "; it begins anew"), now, job.fence + 1, now);
    say(tx, job, whose(job) + ": it begins anew", now);
    swept.requeued.push_back(std::move(job));
    return;
  }
  const bool cancelled = may_begin_anew && job.cancel_requested_at;
  const auto error =
      cancelled ? base::Error(base::ErrorClass::user, "CANCELLED",
                              "cancelled; the daemon that did the job was lost meanwhile")
      : may_begin_anew
          ? provisioner_lost(whose(job) + ", for the last of its attempts")
          : provisioner_lost(whose(job) + ", and what it had begun cannot be begun anew; the state is kept");
  say(tx, job, error.message(), now);
  end_unsuccessful(tx, job, cancelled ? JobStatus::cancelled : JobStatus::failed, error, !cancelled, {}, now);
  swept.ended.push_back(std::move(job));
}

void begin_salvage(store::Transaction& tx, Job& job, Instant now) {
  job.salvage_until = now + kSalvageTime;
  tx.execute("UPDATE provisioner_jobs SET salvage_until = $2, updated_at = $3 WHERE id = $1",
             {job.id.str(), *job.salvage_until, now});
  say(tx, job, whose(job) + ": what it has begun may still write its last state", now);
}

void sweep_lost(store::Transaction& tx, Job job, Swept& swept, Instant now) {
  const bool has_applied = job.type == JobType::workspace_build && job.phase >= JobPhase::apply;
  if (!has_applied) return decide(tx, std::move(job), true, swept, now);
  if (is_state_locked(tx, job)) {
    begin_salvage(tx, job, now);
    swept.salvaging.push_back(std::move(job));
    return;
  }
  decide(tx, job, job.repeatable, swept, now);
}

void sweep_salvaged(store::Transaction& tx, Job job, Swept& swept, Instant now) {
  const bool locked = is_state_locked(tx, job);
  if (locked && *job.salvage_until > now) return;
  decide(tx, std::move(job), !locked, swept, now);
}

// Jobs of that condition, locked; those that somebody else has locked are left to them.
template <class Sweep>
void each_locked(store::Transaction& tx, std::string_view sql, std::string_view sql_unlocked,
                 std::initializer_list<store::Parameter> parameters, Sweep sweep) {
  for (const auto& row : tx.query(tx.dialect() == store::Dialect::postgres ? sql_unlocked : sql, parameters))
    sweep(to_job(row));
}

#define OVERDUE                                                                                    \
  "SELECT " JOB_COLUMNS                                                                            \
  "FROM provisioner_jobs WHERE status = 'running' AND lease_until < $1 AND salvage_until IS NULL " \
  "ORDER BY lease_until LIMIT $2"
#define IN_SALVAGE                                                                                     \
  "SELECT " JOB_COLUMNS                                                                                \
  "FROM provisioner_jobs WHERE status = 'running' AND lease_until < $1 AND salvage_until IS NOT NULL " \
  "ORDER BY salvage_until LIMIT $2"
#define LEFT_TO_OTHERS " FOR UPDATE SKIP LOCKED"

}  // namespace

// ---- taking

bool may_take(store::Transaction& tx, const Daemon& daemon, Instant now) {
  for (const auto& provisioner : daemon.provisioners)
    for (const auto& tags : fitting_tag_sets(tx, daemon, provisioner))
      if (!tx.query("SELECT 1 FROM provisioner_jobs WHERE status = 'pending' AND provisioner = $1 AND tags = $2 "
                    "AND available_at <= $3 LIMIT 1",
                    {provisioner, tags, now})
               .empty())
        return true;
  return false;
}

std::optional<Job> take_job(store::Transaction& tx, const Daemon& daemon, const std::string& token,
                            const QueueLimits& limits, Instant now) {
  if (auto job = given_before(tx, daemon, token)) return job;
  if (daemon.status != DaemonStatus::online || !may_take(tx, daemon, now)) return std::nullopt;
  lock_turns(tx);
  const auto first = first_for(tx, daemon, limits, now);
  if (!first) return std::nullopt;
  tx.execute("UPDATE provisioner_job_turns SET turn = $2 WHERE priority = $1 AND turn < $2",
             {first->priority, first->turn});
  tx.execute(
      "UPDATE provisioner_jobs SET status = 'running', fence = fence + 1, attempt = attempt + 1, daemon_id = $2, "
      "daemon_key = $3, daemon_name = $4, acquire_token = $5, lease_until = $6, salvage_until = NULL, "
      "phase = 'setup', repeatable = 0, started_at = COALESCE(started_at, $7), updated_at = $7 WHERE id = $1",
      {first->id, daemon.id.str(), daemon.key_id.str(), daemon.name, token, now + limits.lease, now});
  const auto job = lock_job(tx, JobId(first->id));
  on_job_taken(tx, *job, now);
  tell_change(tx, *job, "started", now);
  return job;
}

// ---- holding

void renew_lease(store::Transaction& tx, Job& job, const JobUpdate& update, const QueueLimits& limits, Instant now) {
  // Of calls that overtook one another the farthest is true.
  job.phase = std::max(job.phase, update.phase);
  job.repeatable = job.repeatable || update.repeatable;
  job.lease_until = now + limits.lease;
  tx.execute("UPDATE provisioner_jobs SET phase = $2, repeatable = $3, lease_until = $4, updated_at = $5 WHERE id = $1",
             {job.id.str(), name_of(job.phase), job.repeatable, *job.lease_until, now});
}

std::vector<std::string> cancelled_jobs(store::Transaction& tx, const DaemonId& daemon, const DaemonKeyId& key) {
  std::vector<std::string> ids;
  for (const auto& row : tx.query("SELECT id FROM provisioner_jobs WHERE daemon_id = $1 AND status = $3 "
                                  "AND daemon_key = $2 AND cancel_requested_at IS NOT NULL ORDER BY id",
                                  {daemon.str(), key.str(), kRunning}))
    ids.push_back(row.text(0));
  return ids;
}

// ---- those that nobody holds any more

Swept sweep_lost_jobs(store::Transaction& tx, Instant now, std::int64_t limit) {
  Swept swept;
  each_locked(tx, IN_SALVAGE, IN_SALVAGE LEFT_TO_OTHERS, {now, limit},
              [&](Job job) { sweep_salvaged(tx, std::move(job), swept, now); });
  each_locked(tx, OVERDUE, OVERDUE LEFT_TO_OTHERS, {now, limit},
              [&](Job job) { sweep_lost(tx, std::move(job), swept, now); });
  return swept;
}

void extend_salvage(store::Transaction& tx, const JobId& id, Instant now) {
  tx.execute(
      "UPDATE provisioner_jobs SET salvage_until = $2 WHERE id = $1 AND status = 'running' AND salvage_until < $2 "
      "AND lease_until > $3",
      {id.str(), now + kSalvageTime, now - kSalvageMax});
}

void release_jobs_of(store::Transaction& tx, const DaemonId& daemon, const DaemonKeyId& key, Instant now) {
  tx.execute(
      "UPDATE provisioner_jobs SET lease_until = $3 WHERE daemon_id = $1 AND daemon_key = $2 AND status = 'running' "
      "AND lease_until >= $3",
      {daemon.str(), key.str(), now - base::Duration(1)});
}

std::int64_t forget_jobs(store::Transaction& tx, Instant now) {
  const auto rows = tx.query("SELECT id FROM provisioner_jobs WHERE ended_at < $1 ORDER BY ended_at LIMIT $2",
                             {now - kJobsKept, kRemovedAtOnce});
  for (const auto& row : rows) {
    tx.execute("DELETE FROM provisioner_job_logs WHERE job_id = $1", {row.text(0)});
    tx.execute("DELETE FROM provisioner_jobs WHERE id = $1", {row.text(0)});
  }
  return std::int64_t(rows.size());
}

}  // namespace slipway::fleet
