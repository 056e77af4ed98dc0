#include "fleet/job.h"

#include "fleet/job_rows.h"

namespace slipway::fleet {
namespace {

#define JOB_FILTER                                                                                                 \
  "WHERE (owner_id = $1 OR $1 IS NULL) AND (status IN ($2, $3, $4, $5, $6) OR $2 IS NULL) "                        \
  "AND (type = $7 OR $7 IS NULL) AND (template_id = $8 OR $8 IS NULL) AND (version_id = $9 OR $9 IS NULL) "        \
  "AND (workspace_id = $10 OR $10 IS NULL) AND (build_id = $11 OR $11 IS NULL) AND (run_id = $12 OR $12 IS NULL) " \
  "AND (daemon_id = $13 OR $13 IS NULL) AND dead_letter >= $14 "

template <class IdType>
std::optional<IdType> id_or_none(const store::Row& row, std::size_t column) {
  auto text = row.text_or_null(column);
  return text ? std::optional(IdType(std::move(*text))) : std::nullopt;
}

template <class T>
std::optional<std::string> text_of(const std::optional<T>& id) {
  return id ? std::optional(id->str()) : std::nullopt;
}

std::optional<base::Error> error_of(const store::Row& row, std::size_t column) {
  if (row.is_null(column)) return std::nullopt;
  const auto details = row.text_or_null(column + 3);
  return base::Error(value_of<base::ErrorClass>(row.text(column + 1)), row.text(column), row.text(column + 2),
                     details ? json::parse_value(*details) : json::Value(nullptr));
}

std::vector<store::Parameter> filter_parameters(const Scope& scope, const JobFilter& filter) {
  std::vector<store::Parameter> parameters{scope.owner_id()};
  constexpr std::size_t kStatuses = 5;
  for (std::size_t i = 0; i < kStatuses; ++i) {  // fewer are repeated
    if (filter.statuses.empty())
      parameters.emplace_back(std::nullopt);
    else
      parameters.emplace_back(name_of(filter.statuses.at(std::min(i, filter.statuses.size() - 1))));
  }
  parameters.push_back(filter.type ? store::Parameter(name_of(*filter.type)) : store::Parameter(std::nullopt));
  for (const auto* member : {&filter.template_id, &filter.version_id, &filter.workspace_id, &filter.build_id,
                             &filter.run_id, &filter.daemon_id})
    parameters.emplace_back(*member);
  parameters.emplace_back(filter.dead_letter);
  return parameters;
}

// Behind the owner's other jobs of its class, and not before those whose turn is over (RUN-5).
std::int64_t next_turn(store::Transaction& tx, const NewJob& job) {
  const auto reached = tx.query("SELECT turn FROM provisioner_job_turns WHERE priority = $1", {int(job.priority)});
  const auto own =
      tx.query("SELECT MAX(turn) FROM provisioner_jobs WHERE owner_id = $1 AND status = 'pending' AND priority = $2",
               {job.owner_id.str(), int(job.priority)});
  const auto last = own.front().integer_or_null(0);
  const auto floor = reached.front().integer(0);
  return last ? std::max(floor, *last + 1) : floor;
}

}  // namespace

Job to_job(const store::Row& row) {
  const auto outcome = row.text_or_null(31);
  const auto timings = row.text_or_null(32);
  Job job{.id = JobId(row.text(0)),
          .type = value_of<JobType>(row.text(1)),
          .status = value_of<JobStatus>(row.text(2)),
          .provisioner = row.text(3),
          .tags = json::parse<std::map<std::string, std::string>>(row.text(4), json::Mode::lenient),
          .priority = JobPriority(row.integer(5)),
          .owner_id = UserId(row.text(6)),
          .requested_by = UserId(row.text(7)),
          .requested_by_name = row.text(8),
          .template_id = TemplateId(row.text_or_null(9).value_or("")),
          .version_id = TemplateVersionId(row.text_or_null(10).value_or("")),
          .workspace_id = id_or_none<WorkspaceId>(row, 11),
          .build_id = id_or_none<BuildId>(row, 12),
          .run_id = RunId(row.text_or_null(13).value_or("")),
          .archive = row.text(14),
          .metadata = json::parse<JobMetadata>(row.text(15), json::Mode::lenient),
          .debug = row.integer(16) != 0,
          .trace = row.text(17),
          .attempt = row.integer(18),
          .attempts_max = row.integer(19),
          .available_at = row.instant(20),
          .fence = row.integer(21),
          .daemon_id = id_or_none<DaemonId>(row, 22),
          .daemon_name = row.text_or_null(23).value_or(""),
          .daemon_key = row.text_or_null(41).value_or(""),
          .lease_until = row.instant_or_null(24),
          .salvage_until = row.instant_or_null(25),
          .phase = value_of<JobPhase>(row.text(26)),
          .repeatable = row.integer(27) != 0,
          .cancel_requested_at = row.instant_or_null(28),
          .cancel_by = row.text_or_null(29).value_or(""),
          .next_log = row.integer(30),
          .log_bytes = row.integer(42),
          .error = error_of(row, 33),
          .dead_letter = row.integer(37) != 0,
          .created_at = row.instant(38),
          .started_at = row.instant_or_null(39),
          .ended_at = row.instant_or_null(40)};
  if (outcome) job.outcome = json::parse<CompletedJob>(*outcome, json::Mode::lenient);
  if (timings) job.timings = json::parse<std::vector<PhaseTiming>>(*timings, json::Mode::lenient);
  return job;
}

std::optional<Job> lock_job(store::Transaction& tx, const JobId& id) {
  constexpr std::string_view kSelect = "SELECT " JOB_COLUMNS "FROM provisioner_jobs WHERE id = $1";
  constexpr std::string_view kLocked = "SELECT " JOB_COLUMNS "FROM provisioner_jobs WHERE id = $1 FOR UPDATE";
  const auto rows = tx.query(tx.dialect() == store::Dialect::postgres ? kLocked : kSelect, {id.str()});
  if (rows.empty()) return std::nullopt;
  return to_job(rows.front());
}

void insert_job(store::Transaction& tx, const durable::Sealer& sealer, const NewJob& job, Instant now) {
  if (!tx.query("SELECT 1 FROM provisioner_jobs WHERE id = $1", {job.id.str()}).empty()) return;
  const auto sealed = sealer.seal(base::Secret(json::print(job.values, json::Secrets::revealed)));
  const auto made = tx.execute(
      "INSERT INTO provisioner_jobs (id, type, status, provisioner, tags, priority, turn, owner_id, requested_by, "
      "requested_by_name, template_id, version_id, workspace_id, build_id, run_id, archive, metadata, sealed_values, "
      "debug, trace, attempt, attempts_max, available_at, fence, phase, repeatable, next_log, log_bytes, dead_letter, "
      "created_at, updated_at) VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
      "$16, $17, $18, $19, 0, $20, $21, 0, 'setup', 0, 0, 0, 0, $21, $21) ON CONFLICT (id) DO NOTHING",
      {job.id.str(),
       name_of(job.type),
       job.provisioner,
       json::print(job.tags),
       int(job.priority),
       next_turn(tx, job),
       job.owner_id.str(),
       job.requested_by.str(),
       job.requested_by_name,
       job.template_id.str(),
       job.version_id.str(),
       text_of(job.workspace_id),
       text_of(job.build_id),
       job.run_id.str(),
       job.archive,
       json::print(job.metadata),
       sealed,
       job.debug,
       job.trace,
       job.attempts_max,
       now});
  if (made == 0) return;
  tell_change(tx, *lock_job(tx, job.id), "queued", now);
}

std::optional<Job> find_job(store::Transaction& tx, const Scope& scope, const JobId& id) {
  const auto rows =
      tx.query("SELECT " JOB_COLUMNS "FROM provisioner_jobs WHERE id = $2 AND (owner_id = $1 OR $1 IS NULL)",
               {scope.owner_id(), id.str()});
  if (rows.empty()) return std::nullopt;
  return to_job(rows.front());
}

std::vector<Job> list_jobs(store::Transaction& tx, const Scope& scope, const JobFilter& filter) {
  auto parameters = filter_parameters(scope, filter);
  parameters.push_back(filter.before.empty() ? store::Parameter(std::nullopt) : store::Parameter(filter.before));
  parameters.emplace_back(filter.limit);
  std::vector<Job> jobs;
  for (const auto& row : tx.query("SELECT " JOB_COLUMNS "FROM provisioner_jobs " JOB_FILTER
                                  "AND (id < $15 OR $15 IS NULL) ORDER BY id DESC LIMIT $16",
                                  parameters))
    jobs.push_back(to_job(row));
  return jobs;
}

std::int64_t count_jobs(store::Transaction& tx, const Scope& scope, const JobFilter& filter) {
  return tx.query("SELECT COUNT(*) FROM provisioner_jobs " JOB_FILTER, filter_parameters(scope, filter))
      .front()
      .integer(0);
}

std::vector<Job> unfinished_jobs(store::Transaction& tx, const WorkspaceId& workspace) {
  std::vector<Job> jobs;
  for (const auto& row : tx.query("SELECT " JOB_COLUMNS "FROM provisioner_jobs WHERE workspace_id = $1 "
                                  "AND status IN ('pending', 'running') ORDER BY id",
                                  {workspace.str()}))
    jobs.push_back(to_job(row));
  return jobs;
}

JobValues job_values(store::Transaction& tx, const durable::Sealer& sealer, const JobId& id) {
  const auto rows = tx.query("SELECT sealed_values FROM provisioner_jobs WHERE id = $1", {id.str()});
  if (rows.empty()) throw base::not_found("job", id.str());
  if (rows.front().text(0).empty()) return {};
  return json::parse<JobValues>(sealer.unseal(rows.front().text(0)).reveal(), json::Mode::lenient);
}

bool request_job_cancel(store::Transaction& tx, const JobId& id, const std::string& by, Instant now) {
  auto job = lock_job(tx, id);
  if (!job) throw base::not_found("job", id.str());
  if (job->ended_at) return false;
  if (!job->cancel_requested_at) {
    job->cancel_requested_at = now;
    job->cancel_by = by;
    tx.execute("UPDATE provisioner_jobs SET cancel_requested_at = $2, cancel_by = $3, updated_at = $2 WHERE id = $1",
               {id.str(), now, by});
  }
  if (job->status == JobStatus::pending)
    end_unsuccessful(tx, *job, JobStatus::cancelled,
                     base::Error(base::ErrorClass::user, "CANCELLED", "cancelled before it began"), false, {}, now);
  return true;
}

}  // namespace slipway::fleet
