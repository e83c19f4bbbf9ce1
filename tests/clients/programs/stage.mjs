// What the programs of clients for Node ask for; the model's name is that of the dialect its endpoint speaks.
export const MODELS = process.env.MODELS.split(" ");
export const QUESTION = "Tell me about the sea.";
export const CALLS = "What are weather and time in Lisbon? Use get_weather and get_time.";
export const NAMES = ["get_weather", "get_time"];
export const PLACE = {
  type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false,
};
