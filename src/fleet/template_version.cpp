// The versions of templates, and what their import does to them. The contract: template.h.

#include <algorithm>

#include "base/enum_name.h"
#include "fleet/blob.h"
#include "fleet/change_feed.h"
#include "fleet/template.h"
#include "fleet/template_change.h"
#include "fleet/template_values.h"

namespace slipway::fleet {
namespace {

#define VERSION_HEAD                                                                                    \
  "SELECT v.id, v.template_id, t.name, v.name, v.message, v.archive, v.provisioner, v.tags, v.status, " \
  "v.promote, v.run_id, v.job_id, v.error_code, v.error_message, v.created_by, v.created_at, v.ended_at"
#define VERSION_TABLES " FROM template_versions v JOIN templates t ON t.id = v.template_id "
// Lists do without what is large.
#define VERSION_WHOLE VERSION_HEAD ", v.parsed, v.readme, v.outcome" VERSION_TABLES
#define VERSION_BRIEF VERSION_HEAD VERSION_TABLES

constexpr std::size_t kBriefColumns = 17;
constexpr int kNamingAttempts = 10;  // others push at the same time
constexpr std::string_view kFirstLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";

using base::name_of;

template <class Id>
std::optional<Id> id_or_null(const store::Row& row, std::size_t column) {
  const auto text = row.text_or_null(column);
  return text ? std::optional(Id(*text)) : std::nullopt;
}

void read_contents(TemplateVersion& version, const store::Row& row) {
  if (const auto parsed = row.text_or_null(kBriefColumns)) {
    version.parsed = json::parse<ParsedTemplate>(*parsed, json::Mode::lenient);
    version.parsed->readme = row.text_or_null(kBriefColumns + 1).value_or("");
  }
  if (const auto outcome = row.text_or_null(kBriefColumns + 2))
    version.outcome = json::parse<ImportOutcome>(*outcome, json::Mode::lenient);
}

TemplateVersion to_version(const store::Row& row) {
  TemplateVersion version{.id = TemplateVersionId(row.text(0)),
                          .template_id = TemplateId(row.text(1)),
                          .template_name = row.text(2),
                          .name = row.text(3),
                          .message = row.text(4),
                          .archive = row.text(5),
                          .provisioner = row.text(6),
                          .tags = json::parse<std::map<std::string, std::string>>(row.text(7)),
                          .status = base::value_of<VersionStatus>(row.text(8)),
                          .promote = row.integer(9) != 0,
                          .run_id = id_or_null<RunId>(row, 10),
                          .job_id = id_or_null<JobId>(row, 11),
                          .created_by = UserId(row.text(14)),
                          .created_at = row.instant(15),
                          .ended_at = row.instant_or_null(16)};
  if (const auto code = row.text_or_null(12)) version.error = Problem{*code, row.text_or_null(13).value_or("")};
  if (row.size() > kBriefColumns) read_contents(version, row);
  return version;
}

void tell(store::Transaction& tx, std::string_view type, const TemplateVersion& version, Instant now) {
  const auto subject = find_template(tx, version.template_id);
  if (!subject) return;
  const VersionChange change{.id = version.id,
                             .template_id = version.template_id,
                             .template_name = version.template_name,
                             .name = version.name,
                             .message = version.message,
                             .status = version.status,
                             .error = version.error,
                             .created_by = version.created_by};
  record_change(tx, subject->owner_id, type, version.id.str(), now, json::to_value(change));
}

// By how many there are; somebody may have chosen that name, or choose it just now.
std::string next_name(store::Transaction& tx, const TemplateId& id) {
  auto number = count_versions(tx, id) + 1;
  const auto is_taken = [&](const std::string& name) {
    return !tx.query("SELECT 1 FROM template_versions WHERE template_id = $1 AND name = $2", {id.str(), name}).empty();
  };
  while (is_taken("v" + std::to_string(number))) ++number;
  return "v" + std::to_string(number);
}

std::map<std::string, std::string> given_values(store::Transaction& tx, const durable::Sealer& sealer,
                                                const TemplateVersionId& id) {
  const auto rows = tx.query("SELECT sealed_values FROM template_versions WHERE id = $1", {id.str()});
  if (rows.empty()) throw base::not_found("template version", id.str());
  return json::parse<std::map<std::string, std::string>>(sealer.unseal(rows.front().text(0)).reveal());
}

std::optional<TemplateVersion> importing_version(store::Transaction& tx, const TemplateVersionId& id) {
  auto version = find_version(tx, id);
  if (version && version->status != VersionStatus::importing) version.reset();
  return version;
}

// False when it has ended already, perhaps just now on another replica.
bool end_import(store::Transaction& tx, TemplateVersion& version, VersionStatus status, Instant now) {
  version.status = status;
  return tx.execute(
             "UPDATE template_versions SET status = $2, ended_at = $3, error_code = $4, error_message = $5 "
             "WHERE id = $1 AND status = 'importing'",
             {version.id.str(), name_of(status), now,
              version.error ? store::Parameter(version.error->code) : store::Parameter(std::nullopt),
              version.error ? store::Parameter(version.error->message) : store::Parameter(std::nullopt)}) > 0;
}

// A push that was overtaken by a later one stays behind it.
void promote_unless_later(store::Transaction& tx, const TemplateVersion& version, Instant now) {
  auto subject = lock_template(tx, version.template_id.str());
  if (subject.active_version_id) {
    const auto active = find_version(tx, *subject.active_version_id);
    if (active && std::tie(active->created_at, active->id) > std::tie(version.created_at, version.id)) return;
  }
  promote(tx, subject, version, now);
}

// False when the name is taken.
bool add_row(store::Transaction& tx, const TemplateVersion& version, const std::string& sealed_values) {
  return tx.execute(
             "INSERT INTO template_versions (id, template_id, name, message, archive, provisioner, tags, status, "
             "promote, run_id, sealed_values, created_by, created_at) "
             "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
             "ON CONFLICT (template_id, name) DO NOTHING",
             {version.id.str(), version.template_id.str(), version.name, version.message, version.archive,
              version.provisioner, json::print(version.tags), name_of(version.status), version.promote,
              version.run_id ? store::Parameter(version.run_id->str()) : store::Parameter(std::nullopt), sealed_values,
              version.created_by.str(), version.created_at}) > 0;
}

}  // namespace

void validate_version_name(std::string_view field, const std::string& name) {
  const auto refuse = [&](std::string reason) {
    throw base::validation_error(
        field, std::move(reason),
        json::Value("1 to 64 of A-Z, a-z, 0-9, '.', '_', '+' and '-', a letter or digit first"));
  };
  if (name.empty()) refuse("must not be empty");
  if (name.size() > kVersionNameMax) refuse("is longer than " + std::to_string(kVersionNameMax) + " characters");
  if (kFirstLetters.find(name.front()) == std::string_view::npos) refuse("must begin with a letter or digit");
  if (name.find_first_not_of(kLetters) != std::string::npos)
    refuse("has a character that a version's name may not have");
}

void insert_version(store::Transaction& tx, const durable::Sealer& sealer, TemplateVersion& version,
                    const std::map<std::string, std::string>& values) {
  hold_template(tx, version.template_id);
  if (!hold_blob(tx, version.archive, version.created_at))
    throw base::validation_error("archive", "is not there: upload it first, with PUT /v1/blobs/" + version.archive);
  const auto sealed = sealer.seal(base::Secret(json::print(values)));
  const bool is_named = !version.name.empty();
  if (is_named) validate_version_name("name", version.name);
  bool is_added = false;
  for (int attempt = 0; !is_added && attempt < (is_named ? 1 : kNamingAttempts); ++attempt) {
    if (!is_named) version.name = next_name(tx, version.template_id);
    is_added = add_row(tx, version, sealed);
  }
  if (!is_added)
    throw base::Error(base::ErrorClass::conflict, "CONFLICT",
                      "template '" + version.template_name + "' has a version '" + version.name + "' already",
                      json::Object{{"field", "name"}});
  tell(tx, "template.version.created", version, version.created_at);
}

std::optional<TemplateVersion> find_version(store::Transaction& tx, const TemplateVersionId& id) {
  const auto rows = tx.query(VERSION_WHOLE "WHERE v.id = $1", {id.str()});
  if (rows.empty()) return std::nullopt;
  return to_version(rows.front());
}

TemplateVersion get_version(store::Transaction& tx, const TemplateVersionId& id) {
  auto found = find_version(tx, id);
  if (!found) throw base::not_found("template version", id.str());
  return *std::move(found);
}

TemplateVersion get_version(store::Transaction& tx, const Template& subject, const std::string& name_or_id) {
  const auto rows =
      tx.query(VERSION_WHOLE "WHERE v.template_id = $1 AND (v.name = $2 OR v.id = $2)", {subject.id.str(), name_or_id});
  if (rows.empty()) throw base::not_found("version of template '" + subject.name + "'", name_or_id);
  return to_version(rows.front());
}

std::vector<TemplateVersion> list_versions(store::Transaction& tx, const TemplateId& id, std::int64_t offset,
                                           std::int64_t limit) {
  std::vector<TemplateVersion> versions;
  for (const auto& row :
       tx.query(VERSION_BRIEF "WHERE v.template_id = $1 ORDER BY v.created_at DESC, v.id DESC LIMIT $2 OFFSET $3",
                {id.str(), limit, offset}))
    versions.push_back(to_version(row));
  return versions;
}

std::int64_t count_versions(store::Transaction& tx, const TemplateId& id) {
  return tx.query("SELECT COUNT(*) FROM template_versions WHERE template_id = $1", {id.str()}).front().integer(0);
}

TemplateVersion version_for_new_workspace(store::Transaction& tx, const Template& subject,
                                          const std::optional<std::string>& name_or_id) {
  if (subject.deprecated)
    throw base::Error(base::ErrorClass::user, "TEMPLATE_DEPRECATED",
                      "no new workspaces of template '" + subject.name + "': " + *subject.deprecated);
  hold_template(tx, subject.id);
  if (!name_or_id && !subject.active_version_id)
    throw base::invalid_state("template '" + subject.name + "' has no active version yet");
  auto version = name_or_id ? get_version(tx, subject, *name_or_id)
                            : get_version(tx, TemplateVersionId(*subject.active_version_id));
  if (version.status != VersionStatus::ready)
    throw base::invalid_state("version '" + version.name + "' of template '" + subject.name + "' is " +
                              name_of(version.status) + ", not ready");
  return version;
}

std::vector<NamedValue> version_values(store::Transaction& tx, const durable::Sealer& sealer,
                                       const TemplateVersion& version) {
  if (!version.parsed) return {};
  return values_of_variables(version.parsed->variables, given_values(tx, sealer, version.id));
}

// ---- its import

void start_import(store::Transaction& tx, const TemplateVersionId& id, const RunId& run, const JobId& job) {
  tx.execute(
      "UPDATE template_versions SET run_id = $2, job_id = $3, status = 'importing', ended_at = NULL, error_code = "
      "NULL, "
      "error_message = NULL WHERE id = $1 AND status <> 'ready'",
      {id.str(), run.str(), job.str()});
}

std::vector<NamedValue> keep_parsed(store::Transaction& tx, const durable::Sealer& sealer, const TemplateVersionId& id,
                                    ParsedTemplate parsed) {
  const auto version = importing_version(tx, id);
  if (!version) return {};
  parsed.variables = variables_to_set(parsed.variables, parsed.parameters);
  auto values = values_of_variables(parsed.variables, given_values(tx, sealer, id));
  auto tags = version->tags;  // what was pushed goes before what stands in the template
  tags.insert(parsed.tags.begin(), parsed.tags.end());
  const auto readme = std::exchange(parsed.readme, "");
  tx.execute("UPDATE template_versions SET parsed = $2, readme = $3, tags = $4 WHERE id = $1",
             {id.str(), json::print(parsed), readme, json::print(tags)});
  return values;
}

void finish_import(store::Transaction& tx, const TemplateVersionId& id, const ImportOutcome& outcome, Instant now) {
  auto version = importing_version(tx, id);
  if (!version || !end_import(tx, *version, VersionStatus::ready, now)) return;
  tx.execute("UPDATE template_versions SET outcome = $2 WHERE id = $1", {id.str(), json::print(outcome)});
  tell(tx, "template.version.ready", *version, now);
  if (version->promote) promote_unless_later(tx, *version, now);
}

void fail_import(store::Transaction& tx, const TemplateVersionId& id, VersionStatus status, const Problem& problem,
                 Instant now) {
  auto version = importing_version(tx, id);
  if (!version) return;
  version->error = problem;
  if (!end_import(tx, *version, status, now)) return;
  tell(tx, status == VersionStatus::cancelled ? "template.version.cancelled" : "template.version.failed", *version,
       now);
}

}  // namespace slipway::fleet
