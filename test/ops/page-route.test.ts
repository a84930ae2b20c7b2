import { describe, expect, it } from 'vitest';
import { changedFields, readForm, shownValue } from '../../src/ops/dashboard/page/form-fields.ts';
import { changedLink, pageLink, parseRoute, taskLink } from '../../src/ops/dashboard/page/route.ts';

describe('an address of the page', () => {
  it('names a page and its filters', () => {
    const { page, query, taskId } = parseRoute('/tasks?state=failed&tag=repo%3Dx');
    expect([page, Object.fromEntries(query), taskId]).toEqual(['tasks', { state: 'failed', tag: 'repo=x' }, undefined]);
    expect(parseRoute('').page).toBe('');
    expect(parseRoute('/').page).toBe('');
    for (const wrong of ['/nothing', '/constructor', '/tasks/x']) expect(parseRoute(wrong).page).toBeUndefined();
  });

  it('names a task by any id, and is the link to it', () => {
    for (const id of ['01kbv2m6s3v5w8q0r4t7y9z1x2', 'repeat:nightly:1795849636854', 'a/b?c#d%']) {
      expect(parseRoute(taskLink(id).slice(1)).taskId).toBe(id);
    }
    expect(parseRoute('/task/100%').taskId).toBe('100%');
  });

  it('leaves out filters without a value', () => {
    expect(pageLink('tasks', { state: 'failed', pool: '', node: undefined })).toBe('#/tasks?state=failed');
    expect(pageLink('')).toBe('#/');
  });

  it('keeps the other filters when one changes, and begins at the first page again', () => {
    const query = new URLSearchParams('state=failed&tag=a=1&tag=b=2&cursor=5-x');
    expect(parseRoute(changedLink('tasks', query, { state: '', pool: 'p' }).slice(1)).query.toString()).toBe(
      'tag=a%3D1&tag=b%3D2&pool=p',
    );
    expect(changedLink('tasks', query, { cursor: '4-y' })).toContain('cursor=4-y');
  });
});

describe('the form of a task', () => {
  const form = (fields: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return readForm(data);
  };

  it('sends the fields that are filled in, with numbers and tags as such', () => {
    expect(form({ message: 'x', pool: '', priority: '0', attempts: '2', tags: 'repo=x, team=a=b\nurgent' })).toEqual({
      message: 'x',
      priority: 0,
      attempts: 2,
      tags: { repo: 'x', team: 'a=b', urgent: '' },
    });
  });

  it('removes a field of the original task that was emptied', () => {
    const input = { message: 'x', model: 'p/m', agent: 'a', idleTimeout: '5s' };
    expect(changedFields(input, { message: 'y', agent: 'a' }, ['agent', 'model', 'pool'])).toEqual({
      message: 'y',
      agent: 'a',
      model: null,
    });
  });

  it('shows tags as it reads them', () => {
    const tags = { repo: 'x', team: 'a=b' };
    expect(form({ tags: shownValue(tags) })).toEqual({ tags });
  });
});
