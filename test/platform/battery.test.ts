import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parsePmset, readPowerSupplies } from '../../src/platform/battery.ts';
import { emptyFolder } from '../support/folders.ts';

it('reads the charge of a battery that a Mac runs on', () => {
  const pmset = (source: string) =>
    `Now drawing from '${source}'\n -InternalBattery-0 (id=21233763)\t87%; discharging; 5:12 remaining present: true\n`;
  expect(parsePmset(pmset('Battery Power'))).toBe(0.87);
  expect(parsePmset(pmset('AC Power'))).toBeNull();
  expect(parsePmset("Now drawing from 'AC Power'\n")).toBeNull();
  expect(parsePmset('')).toBeNull();
});

it('reads the charge of a battery that Linux says is discharging', () => {
  const folder = emptyFolder();
  const supply = (name: string, files: Record<string, string>) => {
    mkdirSync(join(folder, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), `${text}\n`);
  };
  expect(readPowerSupplies(join(folder, 'none'))).toBeNull();
  supply('AC', { type: 'Mains' });
  expect(readPowerSupplies(folder)).toBeNull();
  mkdirSync(join(folder, 'x'));
  const other = emptyFolder();
  mkdirSync(join(other, 'BAT0'));
  for (const [file, text] of Object.entries({ type: 'Battery', status: 'Discharging', capacity: '42' }))
    writeFileSync(join(other, 'BAT0', file), `${text}\n`);
  expect(readPowerSupplies(other)).toBe(0.42);
  writeFileSync(join(other, 'BAT0', 'status'), 'Charging\n');
  expect(readPowerSupplies(other)).toBeNull();
});
