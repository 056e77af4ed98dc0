#include "fleet/job_standing.h"

#include <algorithm>

namespace slipway::fleet {
namespace {

constexpr std::size_t kDaemonsTold = 20;

std::string in_words(const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [name, value] : tags) text += (text.empty() ? "" : ", ") + name + "=" + value;
  return text;
}

DaemonFit fit_of(const Daemon& daemon, const Job& job) {
  DaemonFit fit{.name = daemon.name,
                .status = daemon.status,
                .provisioners = daemon.provisioners,
                .tags = daemon.tags,
                .has_provisioner = std::ranges::find(daemon.provisioners, job.provisioner) != daemon.provisioners.end(),
                .busy = daemon.busy,
                .runners = daemon.runners};
  for (const auto& [name, value] : job.tags)
    if (!has_tags(daemon.tags, {{name, value}})) fit.missing_tags[name] = value;
  return fit;
}

std::vector<DaemonFit> fits_of(const std::vector<Daemon>& daemons, const Job& job) {
  std::vector<DaemonFit> fits;
  for (const auto& daemon : daemons)
    if (daemon.status != DaemonStatus::offline) fits.push_back(fit_of(daemon, job));
  const auto distance = [](const DaemonFit& fit) {
    return std::tuple(!fit.has_provisioner, fit.missing_tags.size(), fit.name);
  };
  std::ranges::sort(fits, {}, distance);
  return fits;
}

// Jobs before it that ask for the same: others may be ahead at some daemons and not at others.
std::int64_t count_ahead(store::Transaction& tx, const Job& job) {
  return tx
      .query(
          "SELECT COUNT(*) FROM provisioner_jobs a, provisioner_jobs j WHERE j.id = $1 AND a.status = 'pending' "
          "AND a.provisioner = j.provisioner AND a.tags = j.tags AND (a.priority < j.priority OR (a.priority = "
          "j.priority AND (a.turn < j.turn OR (a.turn = j.turn AND a.id < j.id))))",
          {job.id.str()})
      .front()
      .integer(0);
}

// For the pending jobs whose ids lie between these.
std::map<std::string, std::int64_t> count_ahead(store::Transaction& tx, const JobId& first, const JobId& last) {
  const auto rows = tx.query(
      "SELECT id, place FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY provisioner, tags ORDER BY priority, turn, "
      "id) "
      "AS place FROM provisioner_jobs WHERE status = 'pending') AS line WHERE id BETWEEN $1 AND $2",
      {first.str(), last.str()});
  std::map<std::string, std::int64_t> ahead;
  for (const auto& row : rows) ahead[row.text(0)] = row.integer(1) - 1;
  return ahead;
}

std::int64_t count_running(store::Transaction& tx, std::string_view sql, const std::string& of) {
  return tx.query(sql, {of}).front().integer(0);
}

bool is_owner_capped(store::Transaction& tx, const Job& job, const QueueLimits& limits) {
  if (limits.per_owner == 0) return false;
  constexpr std::string_view kCount =
      "SELECT COUNT(*) FROM provisioner_jobs WHERE owner_id = $1 AND status = 'running'";
  return count_running(tx, kCount, job.owner_id.str()) >= limits.per_owner;
}

std::optional<std::int64_t> template_cap(store::Transaction& tx, const Job& job) {
  const auto rows = tx.query("SELECT jobs_max FROM templates WHERE id = $1", {job.template_id.str()});
  return rows.empty() ? std::nullopt : rows.front().integer_or_null(0);
}

bool is_template_capped(store::Transaction& tx, const Job& job) {
  const auto cap = template_cap(tx, job);
  if (!cap) return false;
  constexpr std::string_view kCount =
      "SELECT COUNT(*) FROM provisioner_jobs WHERE template_id = $1 AND status = 'running'";
  return count_running(tx, kCount, job.template_id.str()) >= *cap;
}

std::string no_daemon_in_words(const Job& job, const std::vector<DaemonFit>& daemons) {
  const std::string want = "no provisioner daemon has the provisioner '" + job.provisioner + "'";
  if (daemons.empty()) return "there is no provisioner daemon: start one with `slipway provisionerd`";
  std::string others;
  for (std::size_t i = 0; i < daemons.size() && i < 3; ++i) {
    others += (others.empty() ? "" : "; ") + daemons[i].name + " has ";
    for (std::size_t j = 0; j < daemons[i].provisioners.size(); ++j)
      others += (j == 0 ? "" : ", ") + daemons[i].provisioners[j];
  }
  return want + " (" + others + ")";
}

std::string tags_in_words(const JobStanding& standing) {
  return "no provisioner daemon has the tags that it asks for: the nearest, '" + standing.daemons.front().name +
         "', lacks " + in_words(standing.missing_tags);
}

// Of daemons alone: what they lack, or that they are busy.
PendingReason reason_of(const std::vector<DaemonFit>& daemons) {
  const auto any = [&](auto condition) { return std::ranges::any_of(daemons, condition); };
  if (!any([](const auto& fit) { return fit.has_provisioner; })) return PendingReason::no_daemon;
  if (!any([](const auto& fit) { return fit.fits(); })) return PendingReason::tags_missing;
  if (!any([](const auto& fit) { return fit.fits() && fit.status == DaemonStatus::online; }))
    return PendingReason::draining;
  if (!any([](const auto& fit) { return fit.fits() && fit.status == DaemonStatus::online && fit.busy < fit.runners; }))
    return PendingReason::all_busy;
  return PendingReason::next;
}

std::string explain(store::Transaction& tx, const Job& job, const JobStanding& standing, const QueueLimits& limits) {
  switch (standing.reason) {
    case PendingReason::retry:
      return "it failed, and is tried again at " + base::format_rfc3339(job.available_at) + ": " +
             (job.error ? job.error->code() + ": " + job.error->message() : "for no reason that was recorded");
    case PendingReason::no_daemon:
      return no_daemon_in_words(job, standing.daemons);
    case PendingReason::tags_missing:
      return tags_in_words(standing);
    case PendingReason::draining:
      return "the provisioner daemons that could do it are shutting down";
    case PendingReason::owner_cap:
      return "its owner has " + std::to_string(limits.per_owner) + " jobs at work, which is all that one may have";
    case PendingReason::template_cap:
      return "its template has " + std::to_string(template_cap(tx, job).value_or(0)) +
             " jobs at work, which is all that it may have";
    case PendingReason::all_busy:
      return "every provisioner daemon that could do it is at work";
    case PendingReason::next:
      break;
  }
  return "a provisioner daemon takes it in a moment";
}

JobStanding make_standing(store::Transaction& tx, const Job& job, const QueueLimits& limits, Instant now,
                          const std::vector<Daemon>& daemons, std::int64_t ahead) {
  JobStanding standing;
  standing.daemons = fits_of(daemons, job);
  standing.ahead = ahead;
  standing.reason = reason_of(standing.daemons);
  if (!standing.daemons.empty()) standing.missing_tags = standing.daemons.front().missing_tags;
  if (!nobody_can_take(standing)) {
    if (job.available_at > now) {
      standing.reason = PendingReason::retry;
      standing.until = job.available_at;
    } else if (is_owner_capped(tx, job, limits)) {
      standing.reason = PendingReason::owner_cap;
    } else if (is_template_capped(tx, job)) {
      standing.reason = PendingReason::template_cap;
    }
  }
  standing.explanation = explain(tx, job, standing, limits);
  if (standing.daemons.size() > kDaemonsTold) standing.daemons.resize(kDaemonsTold);
  return standing;
}

}  // namespace

const json::Rules& json_rules(const JobStanding*) {
  static const json::Rules rules{
      {.member = "explanation", .description = "The reason, in words"},
      {.member = "until", .description = "When that ends by itself"},
      {.member = "ahead", .description = "Jobs that ask for the same and go before it"},
      {.member = "missing_tags", .description = "Of the daemon that lacks the fewest"},
      {.member = "daemons", .description = "Those that live, and what each lacks; the nearest first"}};
  return rules;
}

JobStanding standing_of(store::Transaction& tx, const Job& job, const QueueLimits& limits, Instant now) {
  return make_standing(tx, job, limits, now, list_daemons(tx, now), count_ahead(tx, job));
}

JobStandings::JobStandings(store::Transaction& tx, const std::vector<Job>& jobs, const QueueLimits& limits, Instant now)
    : tx_(tx), limits_(limits), now_(now) {
  std::optional<JobId> first, last;
  for (const auto& job : jobs) {
    if (job.status != JobStatus::pending) continue;
    if (!first || job.id < *first) first = job.id;
    if (!last || *last < job.id) last = job.id;
  }
  if (!first) return;
  daemons_ = list_daemons(tx, now);
  ahead_ = count_ahead(tx, *first, *last);
}

JobStanding JobStandings::of(const Job& job) const {
  const auto found = ahead_.find(job.id.str());  // not there: somebody has taken it between the two looks
  return make_standing(tx_, job, limits_, now_, daemons_, found == ahead_.end() ? 0 : found->second);
}

bool nobody_can_take(const JobStanding& standing) {
  return standing.reason == PendingReason::no_daemon || standing.reason == PendingReason::tags_missing;
}

}  // namespace slipway::fleet
