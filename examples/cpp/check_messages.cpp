// Lets a test see what depthwire.hpp makes of messages: one msgpack document on standard input, one on standard output.
//
//     {"encode": {field: value …}}         →  {"frames": [bin …]}
//     {"decode": [frame as bin …]}         →  {"id", "op", "model", "min", "max", "depth", "points", "timing"} or
//                                             {"code", "message", "retryable", "field", "retry_after_ms"}
#include <cstdio>
#include <iostream>
#include <iterator>

#include "depthwire.hpp"

namespace {

using Packer = msgpack::packer<msgpack::sbuffer>;

depthwire::Request request_of(const msgpack::object& fields, std::uint64_t& id) {
  depthwire::Request request;
  const auto text = [&fields](const char* name) { return depthwire::text_of(depthwire::value_of(fields, name)); };
  const auto number = [&fields](const char* name) -> std::optional<double> {
    const msgpack::object& value = depthwire::value_of(fields, name);
    return depthwire::is_number(value) ? std::optional(value.as<double>()) : std::nullopt;
  };
  id = depthwire::value_of(fields, "id").as<std::uint64_t>();
  request.op = text("op");
  request.encoder = text("encoder"), request.dataset = text("dataset"), request.stream = text("stream");
  request.max_depth = number("max_depth"), request.timeout_ms = number("timeout_ms");
  const auto& image = depthwire::value_of(fields, "image");
  if (image.type == msgpack::type::BIN) request.image = image.as<std::string>();
  if (const auto size = number("model_input_size")) request.model_input_size = static_cast<std::int64_t>(*size);
  const auto& camera = depthwire::value_of(fields, "camera_intrinsics");
  if (camera.type == msgpack::type::MAP) {
    const auto of = [&camera](const char* name) { return depthwire::value_of(camera, name).as<double>(); };
    request.intrinsics = depthwire::Intrinsics{of("fx"), of("fy"), of("cx"), of("cy")};
    if (const auto& width = depthwire::value_of(camera, "width"); depthwire::is_number(width)) {
      request.intrinsics->width = width.as<std::int64_t>();
      request.intrinsics->height = depthwire::value_of(camera, "height").as<std::int64_t>();
    }
  }
  const auto& meta = depthwire::value_of(fields, "meta");
  if (meta.type == msgpack::type::MAP) request.meta = meta.as<std::map<std::string, msgpack::object>>();
  return request;
}

void put(Packer& out, const depthwire::Array& array) {
  const auto size = static_cast<std::uint32_t>(array.size() * sizeof(float));
  out.pack_array(3);
  out.pack(array.rows), out.pack(array.columns);
  out.pack_bin(size), out.pack_bin_body(reinterpret_cast<const char*>(array.data()), size);
}

void decode(const msgpack::object& given, Packer& out) {
  std::vector<zmq::message_t> frames;
  for (const msgpack::object& frame : given.via.array) frames.emplace_back(frame.via.bin.ptr, frame.via.bin.size);
  const auto field = [&out](const char* name, const auto& value) { out.pack(name), out.pack(value); };
  try {
    const depthwire::Reply reply = depthwire::ReplyReader(std::move(frames)).read();
    out.pack_map(8);
    field("id", reply.id), field("op", reply.op), field("model", reply.model);
    field("min", reply.min), field("max", reply.max), field("timing", reply.timing);
    out.pack("depth"), put(out, reply.depth);
    out.pack("points"), put(out, reply.points);
  } catch (const depthwire::Error& error) {
    out.pack_map(5);
    field("code", error.code), field("message", std::string(error.what())), field("field", error.field);
    field("retryable", error.retryable), field("retry_after_ms", error.retry_after_ms);
  }
}

}  // namespace

int main() {
  const std::string document(std::istreambuf_iterator<char>(std::cin), {});
  const msgpack::object_handle handle = msgpack::unpack(document.data(), document.size());
  msgpack::sbuffer answer;
  Packer out(answer);
  const msgpack::object& given = depthwire::value_of(handle.get(), "decode");
  if (given.type == msgpack::type::ARRAY) {
    decode(given, out);
  } else {
    std::uint64_t id = 0;
    const depthwire::Request request = request_of(depthwire::value_of(handle.get(), "encode"), id);
    const std::vector<std::string> frames = depthwire::encode(request, id);
    out.pack_map(1), out.pack("frames"), out.pack_array(static_cast<std::uint32_t>(frames.size()));
    for (const std::string& frame : frames)
      out.pack_bin(static_cast<std::uint32_t>(frame.size())), out.pack_bin_body(frame.data(), static_cast<std::uint32_t>(frame.size()));
  }
  std::cout.write(answer.data(), static_cast<std::streamsize>(answer.size()));
  return std::cout.flush() ? 0 : 1;
}
