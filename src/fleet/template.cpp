#include "fleet/template.h"

#include "fleet/change_feed.h"
#include "fleet/template_change.h"

namespace slipway::fleet {
namespace {

#define TEMPLATE_COLUMNS                                                                                         \
  "SELECT t.id, t.name, t.display_name, t.description, t.icon, t.active_version, t.deprecated, t.jobs_max, "     \
  "t.owner_id, t.version, t.created_at, t.updated_at, v.name FROM templates t LEFT JOIN template_versions v ON " \
  "v.id = t.active_version "

Template to_template(const store::Row& row) {
  Template subject{.id = TemplateId(row.text(0)),
                   .name = row.text(1),
                   .display_name = row.text(2),
                   .description = row.text(3),
                   .icon = row.text(4),
                   .deprecated = row.text_or_null(6),
                   .jobs_max = row.integer_or_null(7),
                   .owner_id = UserId(row.text(8)),
                   .version = row.integer(9),
                   .created_at = row.instant(10),
                   .updated_at = row.instant(11)};
  if (const auto active = row.text_or_null(5)) subject.active_version_id = TemplateVersionId(*active);
  subject.active_version = row.text_or_null(12);
  return subject;
}

void tell(store::Transaction& tx, std::string_view type, const Template& subject, Instant now) {
  const TemplateChange change{.id = subject.id,
                              .name = subject.name,
                              .display_name = subject.display_name,
                              .active_version_id = subject.active_version_id,
                              .active_version = subject.active_version,
                              .deprecated = subject.deprecated,
                              .jobs_max = subject.jobs_max,
                              .owner_id = subject.owner_id,
                              .version = subject.version};
  record_change(tx, subject.owner_id, type, subject.id.str(), now, json::to_value(change));
}

void write(store::Transaction& tx, Template& subject, std::string_view change, Instant now) {
  ++subject.version;
  subject.updated_at = now;
  tx.execute(
      "UPDATE templates SET display_name = $2, description = $3, icon = $4, active_version = $5, deprecated = $6, "
      "jobs_max = $7, version = $8, updated_at = $9 WHERE id = $1",
      {subject.id.str(), subject.display_name, subject.description, subject.icon,
       subject.active_version_id ? store::Parameter(subject.active_version_id->str()) : store::Parameter(std::nullopt),
       subject.deprecated, subject.jobs_max, subject.version, now});
  tell(tx, change, subject, now);
}

base::Error conflict(std::string message) {
  return base::Error(base::ErrorClass::conflict, "CONFLICT", std::move(message));
}

void require_unused(store::Transaction& tx, const Template& subject) {
  if (const auto workspaces = count_workspaces_of(tx, subject.id); workspaces > 0)
    throw conflict("template '" + subject.name + "' has workspaces (" + std::to_string(workspaces) +
                   "); delete them first, or deprecate it");
  if (!tx.query("SELECT 1 FROM provisioner_jobs WHERE template_id = $1 AND status IN ('pending', 'running') LIMIT 1",
                {subject.id.str()})
           .empty())
    throw conflict("jobs of template '" + subject.name + "' are waiting or at work; cancel them first");
}

}  // namespace

void insert_template(store::Transaction& tx, const Template& subject) {
  validate_name("name", subject.name);
  const auto added = tx.execute(
      "INSERT INTO templates (id, name, display_name, description, icon, owner_id, version, created_at, updated_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7) ON CONFLICT (name) DO NOTHING",
      {subject.id.str(), subject.name, subject.display_name, subject.description, subject.icon, subject.owner_id.str(),
       subject.created_at});
  if (added == 0) throw conflict("there is a template '" + subject.name + "' already");
  tell(tx, "template.created", subject, subject.created_at);
}

std::optional<Template> find_template(store::Transaction& tx, const TemplateId& id) {
  const auto rows = tx.query(TEMPLATE_COLUMNS "WHERE t.id = $1", {id.str()});
  if (rows.empty()) return std::nullopt;
  return to_template(rows.front());
}

std::optional<Template> find_template(store::Transaction& tx, const std::string& name_or_id) {
  const auto rows = tx.query(TEMPLATE_COLUMNS "WHERE t.name = $1 OR t.id = $1", {name_or_id});
  if (rows.empty()) return std::nullopt;
  return to_template(rows.front());
}

Template get_template(store::Transaction& tx, const std::string& name_or_id) {
  auto found = find_template(tx, name_or_id);
  if (!found) throw base::not_found("template", name_or_id);
  return *std::move(found);
}

Template lock_template(store::Transaction& tx, const std::string& name_or_id) {
  tx.execute("UPDATE templates SET version = version WHERE name = $1 OR id = $1", {name_or_id});
  return get_template(tx, name_or_id);
}

std::vector<Template> list_templates(store::Transaction& tx, const TemplateFilter& filter) {
  std::vector<Template> templates;
  for (const auto& row : tx.query(
           TEMPLATE_COLUMNS "WHERE t.name > $1 AND ($2 = 1 OR t.deprecated IS NULL) ORDER BY t.name LIMIT $3 OFFSET $4",
           {filter.after, filter.deprecated_too, filter.limit, filter.offset}))
    templates.push_back(to_template(row));
  return templates;
}

std::int64_t count_templates(store::Transaction& tx, const TemplateFilter& filter) {
  return tx.query("SELECT COUNT(*) FROM templates WHERE ($1 = 1 OR deprecated IS NULL)", {filter.deprecated_too})
      .front()
      .integer(0);
}

void update_template(store::Transaction& tx, Template& subject, Instant now) {
  write(tx, subject, "template.updated", now);
}

void promote(store::Transaction& tx, Template& subject, const TemplateVersion& version, Instant now) {
  if (version.status != VersionStatus::ready)
    throw base::invalid_state("version '" + version.name + "' is " +
                              boost::describe::enum_to_string(version.status, "") +
                              ": only one that is ready can be the active one");
  if (subject.active_version_id == version.id) return;
  subject.active_version_id = version.id;
  subject.active_version = version.name;
  write(tx, subject, "template.promoted", now);
}

void hold_template(store::Transaction& tx, const TemplateId& id) {
  constexpr std::string_view kPostgres = "SELECT 1 FROM templates WHERE id = $1 FOR SHARE";
  constexpr std::string_view kSqlite = "SELECT 1 FROM templates WHERE id = $1";  // writes are one after another
  if (tx.query(tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite, {id.str()}).empty())
    throw base::not_found("template", id.str());
}

void remove_template(store::Transaction& tx, const Template& subject, Instant now) {
  // Whoever builds from it holds it: so either they are seen below, or they find nothing.
  if (tx.execute("DELETE FROM templates WHERE id = $1", {subject.id.str()}) == 0)
    throw base::not_found("template", subject.name);
  require_unused(tx, subject);
  tx.execute("DELETE FROM template_versions WHERE template_id = $1", {subject.id.str()});
  tell(tx, "template.deleted", subject, now);
}

std::int64_t count_workspaces_of(store::Transaction& tx, const TemplateId& id) {
  return tx.query("SELECT COUNT(*) FROM built_workspaces WHERE template_id = $1", {id.str()}).front().integer(0);
}

}  // namespace slipway::fleet
