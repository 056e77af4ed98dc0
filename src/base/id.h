#pragma once
// Identifiers: a type of its own for each kind of thing, opaque, sorted by the time of their making (WF-40).

#include <compare>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace slipway::base {

// `Kind` is a tag with `prefix` (may be empty) and `name`: struct RunKind { prefix = "run_", name = "run" }.
template <class Kind>
class Id {
 public:
  using KindType = Kind;
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

struct RunKind {
  static constexpr std::string_view prefix = "run_", name = "run";
};
struct WorkspaceKind {
  static constexpr std::string_view prefix = "", name = "workspace";
};
struct UserKind {
  static constexpr std::string_view prefix = "usr_", name = "user";
};
struct KeyKind {
  static constexpr std::string_view prefix = "key_", name = "API key";
};
struct ScheduleKind {
  static constexpr std::string_view prefix = "sch_", name = "schedule";
};
struct ReplicaKind {
  static constexpr std::string_view prefix = "rep_", name = "replica";
};
struct WebhookKind {
  static constexpr std::string_view prefix = "whe_", name = "webhook endpoint";
};
struct DeliveryKind {
  static constexpr std::string_view prefix = "whd_", name = "webhook delivery";
};
struct TemplateKind {
  static constexpr std::string_view prefix = "tpl_", name = "template";
};
struct TemplateVersionKind {
  static constexpr std::string_view prefix = "tpv_", name = "template version";
};
struct BuildKind {
  static constexpr std::string_view prefix = "bld_", name = "build";
};
struct JobKind {
  static constexpr std::string_view prefix = "job_", name = "job";
};
struct DaemonKind {
  static constexpr std::string_view prefix = "dmn_", name = "provisioner daemon";
};
struct DaemonKeyKind {
  static constexpr std::string_view prefix = "dky_", name = "daemon key";
};
using RunId = Id<RunKind>;
using WorkspaceId = Id<WorkspaceKind>;  // a UUID, version 7
using UserId = Id<UserKind>;
using KeyId = Id<KeyKind>;
using ScheduleId = Id<ScheduleKind>;
using ReplicaId = Id<ReplicaKind>;
using WebhookId = Id<WebhookKind>;
using DeliveryId = Id<DeliveryKind>;
using TemplateId = Id<TemplateKind>;
using TemplateVersionId = Id<TemplateVersionKind>;
using BuildId = Id<BuildKind>;
using JobId = Id<JobKind>;
using DaemonId = Id<DaemonKind>;
using DaemonKeyId = Id<DaemonKeyKind>;

// Makes identifiers that grow: within one generator each is greater than the one before, even within a millisecond and
// when the clock steps back. Thread-safe.
class IdGenerator {
 public:
  IdGenerator(const Clock& clock, Random& random) : clock_(clock), random_(random) {}

  // Prefix and 26 characters of Crockford's base 32: 48 bits of time, 80 of randomness (the ULID layout).
  std::string make(std::string_view prefix);
  // RFC 9562 section 5.7.
  std::string make_uuid();
  template <class IdType>
  IdType make();

 private:
  struct Bits {
    std::uint64_t high, low;
  };
  Bits next();

  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  Bits last_{0, 0};
};

template <>
RunId IdGenerator::make<RunId>();
template <>
WorkspaceId IdGenerator::make<WorkspaceId>();
template <>
UserId IdGenerator::make<UserId>();
template <>
KeyId IdGenerator::make<KeyId>();
template <>
ScheduleId IdGenerator::make<ScheduleId>();
template <>
ReplicaId IdGenerator::make<ReplicaId>();
template <>
WebhookId IdGenerator::make<WebhookId>();
template <>
DeliveryId IdGenerator::make<DeliveryId>();
template <>
TemplateId IdGenerator::make<TemplateId>();
template <>
TemplateVersionId IdGenerator::make<TemplateVersionId>();
template <>
BuildId IdGenerator::make<BuildId>();
template <>
JobId IdGenerator::make<JobId>();
template <>
DaemonId IdGenerator::make<DaemonId>();
template <>
DaemonKeyId IdGenerator::make<DaemonKeyId>();

// Whether `text` has the shape of such an id. Says nothing about whether the thing exists.
bool is_prefixed_id(std::string_view text, std::string_view prefix);
bool is_uuid(std::string_view text);

}  // namespace slipway::base

template <class Kind>
struct std::hash<slipway::base::Id<Kind>> {
  std::size_t operator()(const slipway::base::Id<Kind>& id) const { return std::hash<std::string>()(id.str()); }
};
