// The addon's entry: exports the DataPlane class, and releaseFilePages.
#include <napi.h>

#include "binding/dataplane_wrap.h"
#include "util/file_pages.h"

namespace {

// (path: string) => number of bytes
Napi::Value release_file_pages(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  return Napi::Number::New(info.Env(), static_cast<double>(weft::release_file_pages(path)));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", weft::binding::DataPlaneWrap::define(env));
  exports.Set("releaseFilePages", Napi::Function::New(env, release_file_pages));
  return exports;
}

}  // namespace

NODE_API_MODULE(weft, init)
