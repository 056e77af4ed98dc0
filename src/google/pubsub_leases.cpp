#include "google/pubsub_leases.h"

#include <utility>

namespace slipway::google::detail {

std::uint64_t Leases::hold(std::string ack_id, std::size_t bytes, Moment now) {
  const auto number = ++last_;
  const auto extend_at = now + settings_.first_look;
  held_.emplace(number, Held{std::move(ack_id), bytes, now, extend_at});
  extensions_.emplace(extend_at, number);
  bytes_ += bytes;
  return number;
}

// Its place among the extensions stays, and means nothing any more.
std::optional<Leases::Held> Leases::remove(std::uint64_t number) {
  const auto found = held_.find(number);
  if (found == held_.end()) return std::nullopt;
  auto held = std::move(found->second);
  held_.erase(found);
  bytes_ -= held.bytes;
  return held;
}

bool Leases::ack(std::uint64_t number, Moment now) {
  auto held = remove(number);
  if (!held) return false;
  answers_.acks.push_back(std::move(held->ack_id));
  if (!answers_at_) answers_at_ = now + settings_.answer_delay;
  return true;
}

bool Leases::nack(std::uint64_t number, base::Duration delay, Moment now) {
  auto held = remove(number);
  if (!held) return false;
  answers_.deadlines[delay].push_back(std::move(held->ack_id));
  if (!answers_at_) answers_at_ = now + settings_.answer_delay;
  return true;
}

void Leases::nack_all(Moment now) {
  while (!held_.empty()) nack(held_.begin()->first, base::Duration(0), now);
  answers_at_ = now;
}

Leases::Work Leases::take(Moment now) {
  Work work;
  if (answers_at_ && *answers_at_ <= now) {
    work = std::exchange(answers_, {});
    answers_at_.reset();
  }
  while (!extensions_.empty() && extensions_.begin()->first <= now) {
    const auto number = extensions_.begin()->second;
    extensions_.erase(extensions_.begin());
    const auto found = held_.find(number);
    if (found == held_.end()) continue;
    auto& held = found->second;
    if (now - held.since >= settings_.lease_max) {
      remove(number);
      ++work.let_go;
      continue;
    }
    work.deadlines[settings_.lease].push_back(held.ack_id);
    held.extend_at = now + settings_.lease / 2;
    extensions_.emplace(held.extend_at, number);
  }
  return work;
}

std::optional<Moment> Leases::next() const {
  auto at = answers_at_;
  if (!extensions_.empty() && (!at || extensions_.begin()->first < *at)) at = extensions_.begin()->first;
  return at;
}

std::optional<Moment> Leases::oldest() const {
  return held_.empty() ? std::nullopt : std::optional(held_.begin()->second.since);
}

}  // namespace slipway::google::detail
