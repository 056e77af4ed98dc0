#include "base/id.h"

#include <fmt/format.h>

namespace slipway::base {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kIdLength = 26;

std::string crockford(std::uint64_t high, std::uint64_t low) {
  std::string text(kIdLength, '0');
  for (std::size_t i = kIdLength; i-- > 0;) {
    text[i] = kCrockford[low & 31];
    low = (low >> 5) | (high << 59);
    high >>= 5;
  }
  return text;
}

}  // namespace

// 48 bits of milliseconds, then 80 random bits; within a millisecond the random part counts up.
IdGenerator::Bits IdGenerator::next() {
  const std::lock_guard lock(mutex_);
  const auto now = std::uint64_t(to_unix_ms(clock_.now())) & 0xffff'ffff'ffff;
  if (now > last_.high >> 16) {
    last_ = {(now << 16) | (random_.next() & 0x7fff), random_.next()};
  } else {
    // A step of random size keeps the next id unpredictable; the carry keeps the order.
    const std::uint64_t step = 1 + (random_.next() & 0xffff'ffff);
    if (last_.low + step < last_.low) ++last_.high;
    last_.low += step;
  }
  return last_;
}

std::string IdGenerator::make(std::string_view prefix) {
  const Bits bits = next();
  return std::string(prefix) + crockford(bits.high, bits.low);
}

std::string IdGenerator::make_uuid() {
  const Bits bits = next();
  // 48 bits of time, version, 12 bits, variant, 62 bits. The order of the bits is kept, so the order of ids is too;
  // the lowest bits of our 80 fall off.
  const std::uint64_t rand_a = (bits.high >> 4) & 0xfff;
  const std::uint64_t rand_b = ((bits.high & 0xf) << 58) | (bits.low >> 6);
  return fmt::format("{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}", bits.high >> 32, (bits.high >> 16) & 0xffff, rand_a,
                     0x8000 | (rand_b >> 48), rand_b & 0xffff'ffff'ffff);
}

template <>
RunId IdGenerator::make<RunId>() {
  return RunId(make(RunKind::prefix));
}
template <>
WorkspaceId IdGenerator::make<WorkspaceId>() {
  return WorkspaceId(make_uuid());
}
template <>
UserId IdGenerator::make<UserId>() {
  return UserId(make(UserKind::prefix));
}
template <>
KeyId IdGenerator::make<KeyId>() {
  return KeyId(make(KeyKind::prefix));
}
template <>
ScheduleId IdGenerator::make<ScheduleId>() {
  return ScheduleId(make(ScheduleKind::prefix));
}
template <>
ReplicaId IdGenerator::make<ReplicaId>() {
  return ReplicaId(make(ReplicaKind::prefix));
}
template <>
WebhookId IdGenerator::make<WebhookId>() {
  return WebhookId(make(WebhookKind::prefix));
}
template <>
DeliveryId IdGenerator::make<DeliveryId>() {
  return DeliveryId(make(DeliveryKind::prefix));
}
template <>
TemplateId IdGenerator::make<TemplateId>() {
  return TemplateId(make(TemplateKind::prefix));
}
template <>
TemplateVersionId IdGenerator::make<TemplateVersionId>() {
  return TemplateVersionId(make(TemplateVersionKind::prefix));
}
template <>
BuildId IdGenerator::make<BuildId>() {
  return BuildId(make(BuildKind::prefix));
}
template <>
JobId IdGenerator::make<JobId>() {
  return JobId(make(JobKind::prefix));
}
template <>
DaemonId IdGenerator::make<DaemonId>() {
  return DaemonId(make(DaemonKind::prefix));
}
template <>
DaemonKeyId IdGenerator::make<DaemonKeyId>() {
  return DaemonKeyId(make(DaemonKeyKind::prefix));
}

bool is_prefixed_id(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix) || text.size() != prefix.size() + kIdLength) return false;
  return text.substr(prefix.size()).find_first_not_of(kCrockford) == std::string_view::npos;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

}  // namespace slipway::base
