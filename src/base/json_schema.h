#pragma once
// JSON Schema (draft 2020-12) of described types, as OpenAPI 3.1 takes them. A described struct becomes a component of
// its own, named like its type without "View"; everything else is inlined. Objects are closed: the reader refuses what
// it does not know, and the writer writes nothing else.

#include "base/json.h"

namespace slipway::json {

class Schemas {
 public:
  // The type's schema, or a reference to it. Throws INTERNAL_ERROR when two types would have one name.
  template <class T>
  Value of();
  // A component's schema made by hand. Gives the reference to it.
  Value add(std::string name, Value schema);
  // By name, in the order of the alphabet.
  Object components() const;
  const Value& component(const std::string& name) const { return components_.at(name).schema; }

 private:
  struct Component {
    const void* type;  // tells types of one name apart
    Value schema;
  };
  template <class T>
  Object object_of();
  std::map<std::string, Component> components_;
};

std::string component_name(std::string_view type_name);
Value reference_to(const std::string& component);
// Puts what the rule says into a schema. What stands beside a reference is allowed there since 2020-12.
void apply(const Rule& rule, Object& schema);

namespace detail {

template <class T>
inline constexpr char kIdentity = 0;  // its address names the type

[[noreturn]] void fail_name_taken(const std::string& name);

template <class T>
Array enumerator_names() {
  Array names;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
      [&](auto enumerator) { names.emplace_back(enumerator.name); });
  return names;
}

template <class T>
Object id_schema() {
  constexpr std::string_view prefix = T::KindType::prefix;
  if (prefix.empty()) return {{"type", "string"}, {"format", "uuid"}};
  return {{"type", "string"}, {"pattern", "^" + std::string(prefix) + "[0-9A-HJKMNP-TV-Z]{26}$"}};
}

}  // namespace detail

template <class T>
Value Schemas::of() {
  using detail::DescribedEnum;
  if constexpr (std::is_same_v<T, Value>) {
    return Object{};
  } else if constexpr (std::is_same_v<T, bool>) {
    return Object{{"type", "boolean"}};
  } else if constexpr (DescribedEnum<T>) {
    return Object{{"type", "string"}, {"enum", detail::enumerator_names<T>()}};
  } else if constexpr (std::is_integral_v<T>) {
    Object schema{{"type", "integer"}, {"format", sizeof(T) == 8 ? "int64" : "int32"}};
    if (std::is_unsigned_v<T>) schema["minimum"] = 0;
    return schema;
  } else if constexpr (std::is_floating_point_v<T>) {
    return Object{{"type", "number"}};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Object{{"type", "string"}};
  } else if constexpr (std::is_same_v<T, base::Secret>) {
    return Object{{"type", "string"}, {"format", "password"}};
  } else if constexpr (detail::IsId<T>::value) {
    return detail::id_schema<T>();
  } else if constexpr (std::is_same_v<T, base::Instant>) {
    return Object{{"type", "string"}, {"format", "date-time"}};
  } else if constexpr (std::is_same_v<T, base::Duration>) {
    return Object{{"type", "integer"}, {"format", "int64"}, {"minimum", 0}, {"description", "milliseconds"}};
  } else if constexpr (detail::IsOptional<T>::value) {
    return of<typename T::value_type>();
  } else if constexpr (detail::IsVector<T>::value) {
    return Object{{"type", "array"}, {"items", of<typename T::value_type>()}};
  } else if constexpr (detail::IsMap<T>::value) {
    return Object{{"type", "object"}, {"additionalProperties", of<typename T::mapped_type>()}};
  } else {
    static_assert(detail::Described<T>, "describe the type with SLIPWAY_JSON_SNAKE or SLIPWAY_JSON_CAMEL");
    const std::string name = component_name(json_type_name(static_cast<const T*>(nullptr)));
    if (const auto found = components_.find(name); found == components_.end()) {
      components_[name] = {&detail::kIdentity<T>, nullptr};  // before its members, which may name it again
      Object schema = object_of<T>();
      components_[name].schema = std::move(schema);
    } else if (found->second.type != &detail::kIdentity<T>) {
      detail::fail_name_taken(name);
    }
    return reference_to(name);
  }
}

template <class T>
Object Schemas::object_of() {
  Object properties;
  Array required;
  boost::mp11::mp_for_each<detail::Members<T>>([&](auto member) {
    using Field = std::remove_cvref_t<decltype(std::declval<T&>().*member.pointer)>;
    const std::string& name = detail::wire_name<T, decltype(member)>();
    Value property = of<Field>();
    if constexpr (detail::Ruled<T>)
      if (const Rule* rule = detail::find_rule(json_rules(static_cast<const T*>(nullptr)), member.name))
        apply(*rule, property.as_object());
    properties[name] = std::move(property);
    if (!detail::IsOptional<Field>::value && !std::is_same_v<Field, Value>) required.emplace_back(name);
  });
  Object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

}  // namespace slipway::json
