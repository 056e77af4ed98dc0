#include "fleet/workspace.h"

#include "base/enum_name.h"
#include "fleet/change_feed.h"
#include "fleet/sealer.h"

namespace slipway::fleet {
namespace {

#define WORKSPACE_COLUMNS                                                                                   \
  "SELECT id, name, owner_id, provider, instance_name, zone, image_tag, machine_type, status, "             \
  "last_connected_at, metadata, created_at, updated_at, run_id, error_code, error_message, last_activity, " \
  "version FROM workspaces "

using base::name_of;

Workspace to_workspace(const store::Row& row) {
  Workspace workspace{.id = WorkspaceId(row.text(0)),
                      .name = row.text(1),
                      .owner_id = UserId(row.text(2)),
                      .provider = row.text(3),
                      .instance_name = row.text(4),
                      .zone = row.text(5),
                      .image_tag = row.text(6),
                      .machine_type = row.text(7),
                      .status = base::value_of<WorkspaceStatus>(row.text(8)),
                      .last_connected_at = row.instant_or_null(9),
                      .metadata = json::parse<Metadata>(row.text(10), json::Mode::lenient),
                      .created_at = row.instant(11),
                      .updated_at = row.instant(12),
                      .version = row.integer(17)};
  if (const auto run = row.text_or_null(13)) workspace.run_id = RunId(*run);
  if (const auto code = row.text_or_null(14)) workspace.error = Problem{*code, row.text_or_null(15).value_or("")};
  if (const auto kind = row.text_or_null(16); kind && workspace.last_connected_at)
    workspace.last_activity = Activity{*kind, *workspace.last_connected_at};
  return workspace;
}

// Tells the feed how the record looks now.
void tell(store::Transaction& tx, std::string_view type, const WorkspaceId& id, Instant now) {
  const auto workspace = get(tx, Scope::everything("the change feed speaks of every workspace"), id);
  record_change(tx, workspace.owner_id, type, id.str(), now, json::to_value(workspace));
}

#define WORKSPACE_FILTER \
  "WHERE (owner_id = $1 OR $1 IS NULL) AND (name = $2 OR $2 IS NULL) AND (status = $3 OR $3 IS NULL) "

std::vector<store::Parameter> filter_parameters(const Scope& scope, const WorkspaceFilter& filter) {
  return {scope.owner_id(), filter.name,
          filter.status ? store::Parameter(name_of(*filter.status)) : store::Parameter(std::nullopt)};
}

}  // namespace

void validate_name(std::string_view field, const std::string& name) {
  const auto refuse = [&](std::string reason) {
    const std::string allowed =
        "1 to " + std::to_string(kNameMax) + " of a-z, 0-9 and '-', beginning with a letter, not ending with '-'";
    throw base::validation_error(field, std::move(reason), json::Value(std::string_view(allowed)));
  };
  if (name.empty()) refuse("must not be empty");
  if (name.size() > kNameMax) refuse("is longer than " + std::to_string(kNameMax) + " characters");
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
    refuse("may have only lower-case letters, digits and '-'");
  if (name.front() < 'a' || name.front() > 'z') refuse("must begin with a letter");
  if (name.back() == '-') refuse("must not end with '-'");
}

void insert(store::Transaction& tx, const Workspace& workspace, const std::string& sealed_environment) {
  try {
    tx.execute(
        "INSERT INTO workspaces (id, owner_id, name, provider, instance_name, zone, image_tag, machine_type, status, "
        "metadata, sealed_environment, run_id, version, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13)",
        {workspace.id.str(), workspace.owner_id.str(), workspace.name, workspace.provider, workspace.instance_name,
         workspace.zone, workspace.image_tag, workspace.machine_type, name_of(workspace.status),
         json::print(workspace.metadata), sealed_environment,
         workspace.run_id ? store::Parameter(workspace.run_id->str()) : store::Parameter(std::nullopt),
         workspace.created_at});
  } catch (const base::Error& error) {
    if (error.code() != "CONSTRAINT_VIOLATED") throw;
    throw base::Error(base::ErrorClass::conflict, "CONFLICT", "a workspace named '" + workspace.name + "' exists",
                      json::Object{{"field", "name"}, {"reason", "exists"}});
  }
  tell(tx, "workspace.created", workspace.id, workspace.created_at);
}

std::optional<Workspace> find(store::Transaction& tx, const Scope& scope, const WorkspaceId& id) {
  const auto rows =
      tx.query(WORKSPACE_COLUMNS "WHERE id = $2 AND (owner_id = $1 OR $1 IS NULL)", {scope.owner_id(), id.str()});
  if (rows.empty()) return std::nullopt;
  return to_workspace(rows.front());
}

Workspace get(store::Transaction& tx, const Scope& scope, const WorkspaceId& id) {
  auto workspace = find(tx, scope, id);
  if (!workspace) throw base::not_found("workspace", id.str());
  return *std::move(workspace);
}

std::vector<Workspace> list(store::Transaction& tx, const Scope& scope, const WorkspaceFilter& filter) {
  auto parameters = filter_parameters(scope, filter);
  parameters.emplace_back(filter.after);
  parameters.emplace_back(filter.limit);
  parameters.emplace_back(filter.offset);
  std::vector<Workspace> workspaces;
  for (const auto& row :
       tx.query(WORKSPACE_COLUMNS WORKSPACE_FILTER "AND id > $4 ORDER BY id LIMIT $5 OFFSET $6", parameters))
    workspaces.push_back(to_workspace(row));
  return workspaces;
}

std::int64_t count(store::Transaction& tx, const Scope& scope, const WorkspaceFilter& filter) {
  return tx.query("SELECT COUNT(*) FROM workspaces " WORKSPACE_FILTER, filter_parameters(scope, filter))
      .front()
      .integer(0);
}

std::string sealed_environment(store::Transaction& tx, const WorkspaceId& id) {
  const auto rows = tx.query("SELECT sealed_environment FROM workspaces WHERE id = $1", {id.str()});
  if (rows.empty()) throw base::not_found("workspace", id.str());
  return rows.front().text(0);
}

// ---- changes by runs

void take(store::Transaction& tx, Workspace& workspace, const RunId& run, Instant now) {
  const auto expected = workspace.run_id ? std::optional(workspace.run_id->str()) : std::nullopt;
  const auto changed = tx.execute(
      "UPDATE workspaces SET run_id = $2, version = version + 1, updated_at = $3 "
      "WHERE id = $1 AND version = $4 AND (run_id = $5 OR (run_id IS NULL AND $5 IS NULL))",
      {workspace.id.str(), run.str(), now, workspace.version, expected});
  if (changed == 0) throw base::invalid_state("the workspace was changed by somebody else just now; look again");
  tell(tx, "workspace.updated", workspace.id, now);
  workspace = get(tx, Scope::everything("it was just changed"), workspace.id);
}

void set_image(store::Transaction& tx, Workspace& workspace, const std::string& image_tag) {
  tx.execute("UPDATE workspaces SET image_tag = $2 WHERE id = $1 AND version = $3",
             {workspace.id.str(), image_tag, workspace.version});
  workspace.image_tag = image_tag;
}

void finish(store::Transaction& tx, const WorkspaceId& id, const RunId& run, WorkspaceStatus status, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workspaces SET status = $3, run_id = NULL, error_code = NULL, error_message = NULL, "
      "agent_token_hash = CASE WHEN provider = $5 AND $3 = 'READY' THEN agent_token_hash END, "
      "version = version + 1, updated_at = $4 WHERE id = $1 AND run_id = $2",
      {id.str(), run.str(), name_of(status), now, kBuiltProvider});
  if (changed > 0) tell(tx, "workspace.updated", id, now);
}

void provision_again(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workspaces SET status = 'PROVISIONING', error_code = NULL, error_message = NULL, version = version + 1, "
      "updated_at = $3 WHERE id = $1 AND run_id = $2",
      {id.str(), run.str(), now});
  if (changed > 0) tell(tx, "workspace.updated", id, now);
}

void fail(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Problem problem, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workspaces SET status = 'ERROR', run_id = NULL, error_code = $3, error_message = $4, "
      "version = version + 1, updated_at = $5 WHERE id = $1 AND run_id = $2",
      {id.str(), run.str(), problem.code, problem.message, now});
  if (changed > 0) tell(tx, "workspace.updated", id, now);
}

void release(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workspaces SET run_id = NULL, version = version + 1, updated_at = $3 WHERE id = $1 AND run_id = $2",
      {id.str(), run.str(), now});
  if (changed > 0) tell(tx, "workspace.updated", id, now);
}

void remove(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Instant now) {
  const auto workspace = find(tx, Scope::everything("the run that deletes it"), id);
  if (!workspace || workspace->run_id != run) return;
  tx.execute("DELETE FROM workspaces WHERE id = $1", {id.str()});
  record_change(tx, workspace->owner_id, "workspace.deleted", id.str(), now,
                json::Object{{"id", id.str()}, {"name", workspace->name}});
}

// ---- observations

void set_activity(store::Transaction& tx, const WorkspaceId& id, const Activity& activity) {
  const auto changed = tx.execute(
      "UPDATE workspaces SET last_connected_at = $2, last_activity = $3 "
      "WHERE id = $1 AND (last_connected_at IS NULL OR last_connected_at < $2)",
      {id.str(), activity.at, activity.kind});
  if (changed > 0) tell(tx, "workspace.updated", id, activity.at);
}

bool set_observed(store::Transaction& tx, const Workspace& seen, WorkspaceStatus status,
                  const std::optional<Problem>& problem, Instant now) {
  const auto code = problem ? std::optional(problem->code) : std::nullopt;
  const auto message = problem ? std::optional(problem->message) : std::nullopt;
  const auto changed = tx.execute(
      "UPDATE workspaces SET status = $2, error_code = $3, error_message = $4, version = version + 1, updated_at = $5 "
      "WHERE id = $1 AND run_id IS NULL AND version = $6",
      {seen.id.str(), name_of(status), code, message, now, seen.version});
  if (changed > 0) tell(tx, "workspace.updated", seen.id, now);
  return changed > 0;
}

// ---- the agent's identity

base::Secret make_agent_token(const Sealer& sealer, const WorkspaceId& id) {
  return base::Secret("slat_" + sealer.derive("agent-token/" + id.str()).reveal());
}

void set_agent_token(store::Transaction& tx, const WorkspaceId& id, const std::string& token_hash) {
  tx.execute("UPDATE workspaces SET agent_token_hash = $2 WHERE id = $1", {id.str(), token_hash});
}

std::optional<AgentIdentity> find_agent(store::Transaction& tx, const std::string& secret_hash) {
  const auto rows = tx.query(
      "SELECT id, instance_name, agent_token_hash FROM workspaces "
      "WHERE agent_token_hash = $1 OR agent_credential_hash = $1",
      {secret_hash});
  if (rows.empty()) return std::nullopt;
  return AgentIdentity{WorkspaceId(rows.front().text(0)), rows.front().text(1),
                       rows.front().text_or_null(2) == secret_hash};
}

void set_agent_credential(store::Transaction& tx, const WorkspaceId& id, const std::string& credential_hash) {
  tx.execute("UPDATE workspaces SET agent_credential_hash = $2 WHERE id = $1", {id.str(), credential_hash});
}

}  // namespace slipway::fleet
