-- A time in its stored form: whole ms. Intervals may have fractions.
local function ms(time)
  return string.format('%.0f', time)
end
