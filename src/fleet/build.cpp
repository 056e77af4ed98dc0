#include "fleet/build.h"

#include <algorithm>

#include "base/enum_name.h"
#include "fleet/change_feed.h"
#include "fleet/quota.h"
#include "fleet/workspace_state.h"

namespace slipway::fleet {
namespace {

#define BUILD_COLUMNS                                                                                                \
  "SELECT id, workspace_id, number, workspace_name, owner_id, template_id, version_id, transition, reason, status, " \
  "run_id, job_id, sealed_parameters, daily_cost, resources, outputs, error_code, error_message, requested_by, "     \
  "created_at, started_at, ended_at FROM workspace_builds "

using base::name_of;
using base::value_of;

std::string seal(const durable::Sealer& sealer, const std::vector<NamedValue>& values) {
  return sealer.seal(base::Secret(json::print(values)));
}
// They go with their workspace: then there are none.
std::vector<NamedValue> unseal(const durable::Sealer& sealer, const std::string& sealed) {
  if (sealed.empty()) return {};
  return json::parse<std::vector<NamedValue>>(sealer.unseal(sealed).reveal(), json::Mode::lenient);
}

Build to_build(const store::Row& row, const durable::Sealer& sealer) {
  Build build{.id = BuildId(row.text(0)),
              .workspace_id = WorkspaceId(row.text(1)),
              .number = row.integer(2),
              .workspace_name = row.text(3),
              .owner_id = UserId(row.text(4)),
              .template_id = TemplateId(row.text(5)),
              .version_id = TemplateVersionId(row.text(6)),
              .transition = value_of<Transition>(row.text(7)),
              .reason = row.text(8),
              .status = value_of<JobStatus>(row.text(9)),
              .run_id = RunId(row.text_or_null(10).value_or("")),
              .job_id = {},
              .parameters = unseal(sealer, row.text(12)),
              .daily_cost = row.integer(13),
              .resources = {},
              .outputs = {},
              .error = {},
              .requested_by = UserId(row.text(18)),
              .created_at = row.instant(19),
              .started_at = row.instant_or_null(20),
              .ended_at = row.instant_or_null(21)};
  if (const auto job = row.text_or_null(11)) build.job_id = JobId(*job);
  if (const auto resources = row.text_or_null(14))
    build.resources = json::parse<std::vector<Resource>>(*resources, json::Mode::lenient);
  if (const auto outputs = row.text_or_null(15))
    build.outputs = json::parse<std::map<std::string, std::string>>(*outputs, json::Mode::lenient);
  if (const auto code = row.text_or_null(16)) build.error = Problem{*code, row.text_or_null(17).value_or("")};
  return build;
}

struct Subject {  // what ending a build needs to know of it
  WorkspaceId workspace_id;
  std::int64_t number = 0;
  Transition transition = Transition::start;
  RunId run_id;
  UserId owner_id;
  std::int64_t daily_cost = 0;
  std::optional<std::string> resources = {};  // that an earlier attempt left
};

// For the rest of the transaction nobody else ends it. Empty when it has ended, or is unknown.
std::optional<Subject> lock_unfinished(store::Transaction& tx, const BuildId& id) {
  constexpr std::string_view kSelect =
      "SELECT workspace_id, number, transition, run_id, owner_id, daily_cost, resources FROM workspace_builds "
      "WHERE id = $1 AND ended_at IS NULL";
  const bool is_shared = tx.dialect() == store::Dialect::postgres;  // on SQLite writes are one after another
  const auto rows = tx.query(std::string(kSelect) + (is_shared ? " FOR UPDATE" : ""), {id.str()});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return Subject{.workspace_id = WorkspaceId(row.text(0)),
                 .number = row.integer(1),
                 .transition = value_of<Transition>(row.text(2)),
                 .run_id = RunId(row.text_or_null(3).value_or("")),
                 .owner_id = UserId(row.text(4)),
                 .daily_cost = row.integer(5),
                 .resources = row.text_or_null(6)};
}

void tell(store::Transaction& tx, const BuildId& id, const Subject& subject, JobStatus status, Instant now) {
  record_change(tx, subject.owner_id, "build.updated", id.str(), now,
                json::Object{{"id", id.str()},
                             {"workspaceId", subject.workspace_id.str()},
                             {"number", subject.number},
                             {"transition", name_of(subject.transition)},
                             {"status", name_of(status)}});
}

// What the workspace held before this build.
std::int64_t earlier_cost(store::Transaction& tx, const Subject& subject) {
  const auto rows = tx.query(
      "SELECT daily_cost FROM workspace_builds WHERE workspace_id = $1 AND number < $2 "
      "AND (status = 'succeeded' OR resources IS NOT NULL) ORDER BY number DESC LIMIT 1",
      {subject.workspace_id.str(), subject.number});
  return rows.empty() ? 0 : rows.front().integer(0);
}

// Whether an attempt to carry it out may have changed anything, this one or an earlier one.
bool has_applied(store::Transaction& tx, const Subject& subject, const BuildFailure& failure) {
  if (failure.has_applied || subject.resources) return true;
  const auto state = find_state(tx, {subject.workspace_id, subject.number});
  return state && state->build_number == subject.number;
}

// What is known to be there after it. Nothing new is not nothing: a daemon that was lost says nothing.
std::optional<std::string> left_by(const Subject& subject, const BuildFailure& failure, bool applied) {
  if (!applied) return std::nullopt;
  return failure.resources.empty() && subject.resources ? subject.resources : json::print(failure.resources);
}

void forget_workspace(store::Transaction& tx, const WorkspaceId& id) {
  break_lock(tx, id);
  tx.execute("UPDATE workspace_builds SET sealed_parameters = '' WHERE workspace_id = $1", {id.str()});
  tx.execute("DELETE FROM built_workspaces WHERE workspace_id = $1", {id.str()});
}

}  // namespace

void insert_built_workspace(store::Transaction& tx, const durable::Sealer& sealer, const BuiltWorkspace& workspace,
                            Instant now) {
  tx.execute(
      "INSERT INTO built_workspaces (workspace_id, owner_id, template_id, version_id, build_number, daily_cost, "
      "sealed_parameters, updated_at) VALUES ($1, $2, $3, $4, 0, 0, $5, $6)",
      {workspace.workspace_id.str(), workspace.owner_id.str(), workspace.template_id.str(), workspace.version_id.str(),
       seal(sealer, workspace.parameters), now});
}

std::optional<BuiltWorkspace> find_built_workspace(store::Transaction& tx, const durable::Sealer& sealer,
                                                   const WorkspaceId& id) {
  const auto rows = tx.query(
      "SELECT owner_id, template_id, version_id, build_number, daily_cost, sealed_parameters FROM built_workspaces "
      "WHERE workspace_id = $1",
      {id.str()});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return BuiltWorkspace{.workspace_id = id,
                        .owner_id = UserId(row.text(0)),
                        .template_id = TemplateId(row.text(1)),
                        .version_id = TemplateVersionId(row.text(2)),
                        .build_number = row.integer(3),
                        .daily_cost = row.integer(4),
                        .parameters = unseal(sealer, row.text(5))};
}

void insert_build(store::Transaction& tx, const durable::Sealer& sealer, Build& build,
                  const std::vector<NamedValue>& remembered, Instant now) {
  const auto rows = tx.query(
      "UPDATE built_workspaces SET build_number = build_number + 1, template_id = $2, version_id = $3, "
      "sealed_parameters = $4, updated_at = $5 WHERE workspace_id = $1 RETURNING build_number",
      {build.workspace_id.str(), build.template_id.str(), build.version_id.str(), seal(sealer, remembered), now});
  if (rows.empty()) throw base::not_found("workspace", build.workspace_id.str());
  build.number = rows.front().integer(0);
  build.created_at = now;
  tx.execute(
      "INSERT INTO workspace_builds (id, workspace_id, number, workspace_name, owner_id, template_id, version_id, "
      "transition, reason, status, run_id, sealed_parameters, daily_cost, requested_by, created_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, 0, $12, $13)",
      {build.id.str(), build.workspace_id.str(), build.number, build.workspace_name, build.owner_id.str(),
       build.template_id.str(), build.version_id.str(), name_of(build.transition), build.reason, build.run_id.str(),
       seal(sealer, build.parameters), build.requested_by.str(), now});
  tell(tx, build.id, {build.workspace_id, build.number, build.transition, build.run_id, build.owner_id},
       JobStatus::pending, now);
}

std::optional<Build> find_build(store::Transaction& tx, const durable::Sealer& sealer, const Scope& scope,
                                const BuildId& id) {
  const auto rows =
      tx.query(BUILD_COLUMNS "WHERE id = $2 AND (owner_id = $1 OR $1 IS NULL)", {scope.owner_id(), id.str()});
  if (rows.empty()) return std::nullopt;
  return to_build(rows.front(), sealer);
}

std::vector<Build> list_builds(store::Transaction& tx, const durable::Sealer& sealer, const Scope& scope,
                               const WorkspaceId& workspace, std::int64_t before, std::int64_t limit) {
  std::vector<Build> builds;
  for (const auto& row : tx.query(BUILD_COLUMNS "WHERE workspace_id = $2 AND (owner_id = $1 OR $1 IS NULL) "
                                                "AND (number < $3 OR $3 = 0) ORDER BY number DESC LIMIT $4",
                                  {scope.owner_id(), workspace.str(), before, limit}))
    builds.push_back(to_build(row, sealer));
  return builds;
}

std::vector<NamedValue> last_start_parameters(store::Transaction& tx, const durable::Sealer& sealer,
                                              const WorkspaceId& workspace) {
  const auto rows = tx.query(
      "SELECT sealed_parameters FROM workspace_builds WHERE workspace_id = $1 AND transition = 'start' "
      "ORDER BY number DESC LIMIT 1",
      {workspace.str()});
  return rows.empty() ? std::vector<NamedValue>{} : unseal(sealer, rows.front().text(0));
}

std::int64_t count_builds(store::Transaction& tx, const Scope& scope, const WorkspaceId& workspace) {
  return tx
      .query("SELECT COUNT(*) FROM workspace_builds WHERE workspace_id = $2 AND (owner_id = $1 OR $1 IS NULL)",
             {scope.owner_id(), workspace.str()})
      .front()
      .integer(0);
}

std::int64_t forget_builds(store::Transaction& tx, Instant now) {
  const auto rows = tx.query(
      "SELECT b.id FROM workspace_builds b WHERE b.ended_at < $1 AND (NOT EXISTS (SELECT 1 FROM built_workspaces w "
      "WHERE w.workspace_id = b.workspace_id) OR (b.number <= (SELECT w.build_number - $2 FROM built_workspaces w "
      "WHERE w.workspace_id = b.workspace_id) AND EXISTS (SELECT 1 FROM workspace_builds n WHERE n.workspace_id = "
      "b.workspace_id AND n.number > b.number AND (n.status = 'succeeded' OR n.resources IS NOT NULL)) "
      "AND EXISTS (SELECT 1 FROM workspace_builds n WHERE n.workspace_id = b.workspace_id AND n.number > b.number "
      "AND n.transition = 'start'))) ORDER BY b.ended_at LIMIT $3",
      {now - kBuildsKept, kBuildsOfOneKept, kRemovedAtOnce});
  for (const auto& row : rows) tx.execute("DELETE FROM workspace_builds WHERE id = $1", {row.text(0)});
  return std::int64_t(rows.size());
}

// ---- changes by runs and jobs

void set_build_job(store::Transaction& tx, const BuildId& id, const JobId& job) {
  tx.execute("UPDATE workspace_builds SET job_id = $2 WHERE id = $1", {id.str(), job.str()});
}

void retry_build(store::Transaction& tx, const BuildId& id, const RunId& run) {
  tx.execute(
      "UPDATE workspace_builds SET status = 'pending', run_id = $2, error_code = NULL, error_message = NULL, "
      "ended_at = NULL WHERE id = $1",
      {id.str(), run.str()});
}

void start_build(store::Transaction& tx, const BuildId& id, Instant now) {
  const auto subject = lock_unfinished(tx, id);
  if (!subject) return;
  tx.execute("UPDATE workspace_builds SET status = 'running', started_at = COALESCE(started_at, $2) WHERE id = $1",
             {id.str(), now});
  tell(tx, id, *subject, JobStatus::running, now);
}

void complete_build(store::Transaction& tx, const BuildId& id, const std::vector<Resource>& resources,
                    const std::map<std::string, std::string>& outputs, Instant now) {
  const auto subject = lock_unfinished(tx, id);
  if (!subject) return;
  tx.execute(
      "UPDATE workspace_builds SET status = 'succeeded', resources = $2, outputs = $3, ended_at = $4, "
      "error_code = NULL, error_message = NULL WHERE id = $1",
      {id.str(), json::print(resources), json::print(outputs), now});
  tell(tx, id, *subject, JobStatus::succeeded, now);
  if (subject->transition == Transition::destroy) {
    remove(tx, subject->workspace_id, subject->run_id, now);
    forget_workspace(tx, subject->workspace_id);
    return;
  }
  settle_quota(tx, subject->workspace_id, subject->daily_cost, now);
  const auto status = subject->transition == Transition::start ? WorkspaceStatus::READY : WorkspaceStatus::SUSPENDED;
  finish(tx, subject->workspace_id, subject->run_id, status, now);
}

void fail_build(store::Transaction& tx, const BuildId& id, const BuildFailure& failure, Instant now) {
  const auto subject = lock_unfinished(tx, id);
  if (!subject) return;
  const bool applied = has_applied(tx, *subject, failure);
  // What was applied in part still costs the most that it was ever to cost; later builds count on that.
  const auto before = earlier_cost(tx, *subject);
  const auto cost = applied ? std::max(before, held_cost(tx, subject->workspace_id)) : before;
  tx.execute(
      "UPDATE workspace_builds SET status = $2, resources = $3, error_code = $4, error_message = $5, ended_at = $6, "
      "daily_cost = $7 WHERE id = $1",
      {id.str(), name_of(failure.status), left_by(*subject, failure, applied), failure.problem.code,
       failure.problem.message, now, applied ? cost : subject->daily_cost});
  tell(tx, id, *subject, failure.status, now);
  settle_quota(tx, subject->workspace_id, cost, now);
  // Cancelled before anything was changed, the workspace is what it was; but one that never was made is nothing yet.
  const bool is_unchanged = failure.status == JobStatus::cancelled && !applied && subject->number > 1;
  if (is_unchanged)
    release(tx, subject->workspace_id, subject->run_id, now);
  else
    fail(tx, subject->workspace_id, subject->run_id, failure.problem, now);
}

bool has_state(store::Transaction& tx, const WorkspaceId& workspace) { return !list_states(tx, workspace).empty(); }

}  // namespace slipway::fleet
