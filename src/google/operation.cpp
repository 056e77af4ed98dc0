#include "google/operation.h"

#include "google/api_client.h"
#include "google/json_reading.h"

namespace slipway::google {

Operation parse_operation(const json::Value& answer) {
  Operation result{.name = text(member(answer, "name")), .done = flag(member(answer, "done"))};
  if (result.name.empty())
    throw base::Error(base::ErrorClass::transient, "MALFORMED_ANSWER", "the answer is no operation: it has no name");
  result.metadata = member(answer, "metadata");
  result.response = member(answer, "response");
  if (const auto& error = member(answer, "error"); error.is_object())
    result.error = Status{number(member(error, "code")), text(member(error, "message")), member(error, "details")};
  return result;
}

void throw_if_failed(const Operation& operation) {
  if (!operation.done || !operation.error) return;
  const std::string verb = text(member(operation.metadata, "verb"));
  throw to_error({"operation", verb.empty() ? "operation" : verb, "/v1/" + operation.name}, *operation.error);
}

ApiRequest Operations::request(std::string verb, const std::string& name, std::stop_token stop) const {
  return {.service = service_,
          .name = "operations." + verb,
          .endpoint = endpoint_,
          .path = "/v1/" + name,
          .stop = std::move(stop)};
}

Operation Operations::get(const std::string& name, std::stop_token stop) {
  return parse_operation(api_.call(request("get", name, std::move(stop))));
}

std::optional<Operation> Operations::find(const std::string& name, std::stop_token stop) {
  const auto answer = api_.find(request("get", name, std::move(stop)));
  return answer ? std::optional(parse_operation(*answer)) : std::nullopt;
}

std::vector<Operation> Operations::list(const std::string& location, std::stop_token stop) {
  std::vector<Operation> result;
  ApiRequest page = request("list", location + "/operations", std::move(stop));
  for_each_page(api_, std::move(page), kOperationPagesMax, [&](const json::Value& answer) {
    for (const auto& one : elements(member(answer, "operations"))) result.push_back(parse_operation(one));
  });
  return result;
}

void Operations::cancel(const std::string& name, std::stop_token stop) {
  ApiRequest order = request("cancel", name + ":cancel", std::move(stop));
  order.method = net::Method::post;
  order.body = json::Object{};
  api_.call(order);
}

}  // namespace slipway::google
