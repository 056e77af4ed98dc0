#include "api/call.h"

#include <charconv>

namespace slipway::api {
namespace {

std::int64_t read_number(const Call& call, std::string_view name, std::int64_t usual, std::int64_t most) {
  const auto text = call.request.query_value(name);
  if (!text) return usual;
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || end != text->data() + text->size() || value < 1 || value > most)
    throw base::validation_error(name, "must be a whole number from 1 to " + std::to_string(most));
  return value;
}

template <class Start>
net::Awaitable<void> await_store(Hub& hub, Start start) {
  net::Completion done(hub.io);
  std::exception_ptr failure;
  start([&failure, done](std::exception_ptr outcome) mutable {
    failure = outcome;
    done.complete();
  });
  co_await done.wait();
  if (failure) std::rethrow_exception(failure);
}

void refuse_zero_bytes(const json::Value& value, const json::Path& path) {
  if (const auto* text = value.if_string(); text != nullptr && text->find('\0') != text->npos)
    json::fail(path, "must not contain a zero byte");
  if (const auto* object = value.if_object())
    for (const auto& [name, member] : *object) {
      refuse_zero_bytes(json::Value(name), path);
      refuse_zero_bytes(member, json::Path{&path, std::string_view(name)});
    }
  if (const auto* array = value.if_array())
    for (std::size_t i = 0; i < array->size(); ++i) refuse_zero_bytes((*array)[i], json::Path{&path, {}, i});
}

}  // namespace

json::Value body_value(const Call& call) {
  auto value = json::parse_value(call.request.body.empty() ? "{}" : call.request.body);
  refuse_zero_bytes(value, json::kRoot);
  return value;
}

Paging read_paging(const Call& call) {
  constexpr std::int64_t kPagesMax = 1'000'000;
  Paging paging{.limit = read_number(call, "limit", 50, kPageMax), .page = read_number(call, "page", 1, kPagesMax)};
  paging.cursor = call.request.query_value("cursor").value_or("");
  if (!paging.cursor.empty() && call.request.query_value("page"))
    throw base::validation_error("cursor", "cannot be combined with page");
  return paging;
}

void expect_query(const Call& call, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : call.request.query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    json::Array allowed;
    for (const auto& each : known) allowed.emplace_back(each);
    throw base::validation_error(name, "is not a known query parameter", std::move(allowed));
  }
}

net::Awaitable<void> write(Hub& hub, store::Work work) {
  co_await await_store(hub, [&](store::Done done) { hub.database.write(std::move(work), std::move(done)); });
}

net::Awaitable<void> read(Hub& hub, store::Work work) {
  co_await await_store(hub, [&](store::Done done) { hub.database.read(std::move(work), std::move(done)); });
}

}  // namespace slipway::api
