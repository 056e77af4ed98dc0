#pragma once
// Templates and their versions: what workspaces are built from. They are for everyone, so that reading takes no scope;
// who may change them is decided by the routes. Every change is also an entry of the change feed, in the same
// transaction: template.created, .updated, .promoted, .deleted; template.version.created, .ready, .failed, .cancelled.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "durable/payload.h"
#include "fleet/job_messages.h"
#include "fleet/workspace.h"
#include "store/store.h"

namespace slipway::fleet {

using base::JobId;
using base::TemplateId;
using base::TemplateVersionId;

struct Template {
  TemplateId id;
  std::string name;
  std::string display_name;
  std::string description;
  std::string icon;
  std::optional<TemplateVersionId>
      active_version_id;                      // what new workspaces are built from; none before the first import
  std::optional<std::string> active_version;  // its name
  std::optional<std::string> deprecated;      // why: no new workspaces
  std::optional<std::int64_t> jobs_max;       // of its jobs at once
  UserId owner_id;                            // who pushed it first
  std::int64_t version = 1;                   // grows with every change: the ETag
  Instant created_at;
  Instant updated_at;
};
SLIPWAY_JSON_CAMEL(Template, id, name, display_name, description, icon, active_version_id, active_version, deprecated,
                   jobs_max, owner_id, version, created_at, updated_at)

enum class VersionStatus { importing, ready, failed, cancelled };
BOOST_DESCRIBE_ENUM(VersionStatus, importing, ready, failed, cancelled)

struct TemplateVersion {
  TemplateVersionId id;
  TemplateId template_id;
  std::string template_name;
  std::string name;  // v1, v2 … unless it was given one
  std::string message;
  std::string archive;  // a blob
  std::string provisioner;
  std::map<std::string, std::string> tags;  // that its jobs want of a daemon
  VersionStatus status = VersionStatus::importing;
  bool promote = true;  // becomes the active one when it is ready
  std::optional<RunId> run_id;
  std::optional<JobId> job_id;           // its import
  std::optional<ParsedTemplate> parsed;  // absent until its import has parsed it
  std::optional<ImportOutcome> outcome;  // of a ready one
  std::optional<Problem> error;          // of a failed or cancelled one
  UserId created_by;
  Instant created_at;
  std::optional<Instant> ended_at;
};

// ---- templates

// A lower-case label, as validate_name (workspace.h) has it. Throws CONFLICT when the name is taken.
void insert_template(store::Transaction& tx, const Template& subject);
std::optional<Template> find_template(store::Transaction& tx, const TemplateId& id);
// By name, or by id.
std::optional<Template> find_template(store::Transaction& tx, const std::string& name_or_id);
Template get_template(store::Transaction& tx, const std::string& name_or_id);  // throws NOT_FOUND
// For a change: nobody else changes it before this transaction ends. Throws NOT_FOUND.
Template lock_template(store::Transaction& tx, const std::string& name_or_id);

struct TemplateFilter {
  bool deprecated_too = true;
  std::string after;  // cursor: names greater than this
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// By name.
std::vector<Template> list_templates(store::Transaction& tx, const TemplateFilter& filter);
std::int64_t count_templates(store::Transaction& tx, const TemplateFilter& filter);
// Keeps the changed members and makes a new version of the record. Not for the active version: promote.
void update_template(store::Transaction& tx, Template& subject, Instant now);
// With its versions; their builds stay, as history. Throws CONFLICT while there are workspaces of it, or jobs.
void remove_template(store::Transaction& tx, const Template& subject, Instant now);
std::int64_t count_workspaces_of(store::Transaction& tx, const TemplateId& id);
// To be called by whoever makes something of it, in the same transaction: it will not be removed beneath them. Throws
// NOT_FOUND.
void hold_template(store::Transaction& tx, const TemplateId& id);

// ---- versions

inline constexpr std::size_t kVersionNameMax = 64;
// Letters, digits, '.', '_', '+' and '-', beginning with a letter or digit. Throws VALIDATION_ERROR.
void validate_version_name(std::string_view field, const std::string& name);

// Gives it the next free name if it has none. `values`: what was pushed for its variables, sealed here. Throws CONFLICT
// when the name is taken, NOT_FOUND when its template is gone, and VALIDATION_ERROR when its archive is not there.
void insert_version(store::Transaction& tx, const durable::Sealer& sealer, TemplateVersion& version,
                    const std::map<std::string, std::string>& values);
std::optional<TemplateVersion> find_version(store::Transaction& tx, const TemplateVersionId& id);
TemplateVersion get_version(store::Transaction& tx, const TemplateVersionId& id);  // throws NOT_FOUND
// By name or id within a template. Throws NOT_FOUND.
TemplateVersion get_version(store::Transaction& tx, const Template& subject, const std::string& name_or_id);
// Newest first; without what was parsed and planned.
std::vector<TemplateVersion> list_versions(store::Transaction& tx, const TemplateId& id, std::int64_t offset,
                                           std::int64_t limit);
std::int64_t count_versions(store::Transaction& tx, const TemplateId& id);

// Makes a ready version the active one, be it newer or older than the present one. Throws INVALID_STATE_TRANSITION when
// it is not ready.
void promote(store::Transaction& tx, Template& subject, const TemplateVersion& version, Instant now);

// The version that new workspaces get: the named one or the active one. In a write, where the workspace is made: until
// its end the template will not be removed. Throws NOT_FOUND, INVALID_STATE_TRANSITION when
// it is not ready or there is none, and TEMPLATE_DEPRECATED (user).
TemplateVersion version_for_new_workspace(store::Transaction& tx, const Template& subject,
                                          const std::optional<std::string>& name_or_id);

// The values that its variables have: given, or by default; those without either are left out. Once it was parsed.
std::vector<NamedValue> version_values(store::Transaction& tx, const durable::Sealer& sealer,
                                       const TemplateVersion& version);

// ---- its import. Each is ignored unless the version is still importing.

// Also anew, by a run that retries one that failed; ignored when it is ready.
void start_import(store::Transaction& tx, const TemplateVersionId& id, const RunId& run, const JobId& job);
// Keeps what was parsed and gives the values of its variables. Throws REQUIRED_TEMPLATE_VARIABLES (user; details.names)
// for those without a value, UNKNOWN_TEMPLATE_VARIABLES for values of variables that it has not, and
// INVALID_TEMPLATE_VARIABLE for a value that is not of its variable's type.
std::vector<NamedValue> keep_parsed(store::Transaction& tx, const durable::Sealer& sealer, const TemplateVersionId& id,
                                    ParsedTemplate parsed);
// Ready. Becomes the active one if it was pushed so, unless a later one is that already.
void finish_import(store::Transaction& tx, const TemplateVersionId& id, const ImportOutcome& outcome, Instant now);
// `status`: failed or cancelled.
void fail_import(store::Transaction& tx, const TemplateVersionId& id, VersionStatus status, const Problem& problem,
                 Instant now);

}  // namespace slipway::fleet
